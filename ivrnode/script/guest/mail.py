"""`system.email` and `system.parseEmailAdr`."""

from __future__ import annotations

import re

from ivrnode.script.guest.arguments import check
from ivrnode.script.guest.result import Pending, Result
from ivrnode.script.guest.runtime import Runtime
from ivrnode.script.guest.services import Answer, Services

LONGEST_BODY = 1024 * 1024
_MOST_RECIPIENTS = 20
_DOT_ATOM = r"[^\s()<>\[\]:;@\\,\".]+(?:\.[^\s()<>\[\]:;@\\,\".]+)*"
# RFC 5322 s3.4.1
_ADDRESS = re.compile(rf"({_DOT_ATOM}|\"(?:[^\"\\\r\n]|\\.){{1,60}}\")@({_DOT_ATOM}|\[[0-9A-Fa-f:.]+\])")


def read_sent(answer: Answer | None, error: str) -> Result:
    """`ok` and `error` of something that was sent."""
    if answer is None:
        return Result(ok=False, error=error)
    return Result(ok=not answer.value["error"], error=answer.value["error"])


def send(
    runtime: Runtime, services: Services, to: object, sender: object, subject: object, body: object, attach: object
) -> Pending[Result]:
    """`to`: one address or a list of them, `sender` None: the tenant's own, `attach`: the id of a recording, or ""."""
    recipients = list(to) if isinstance(to, list | tuple) else [to]
    if not 0 < len(recipients) <= _MOST_RECIPIENTS:
        raise ValueError(f"to must be 1 to {_MOST_RECIPIENTS} addresses")
    for name, address in (*(("to", one) for one in recipients), ("from", "x@y" if sender is None else sender)):
        check(name, address, str)
        if parse_address(str(address)) is None:
            raise ValueError(f"{name} must be an e-mail address, not {address!r:.80}")
    check("subject", subject, str)
    check("body", body, str)
    check("attach", attach, str)
    if any(sign in str(subject) for sign in "\r\n\0"):
        raise ValueError("subject must not have line breaks")
    text = str(body).encode("utf-8", "replace")
    if len(text) > LONGEST_BODY:
        raise ValueError(f"body must not be longer than {LONGEST_BODY} bytes")
    answer = services.ask("email", text, to=recipients, sender=sender or "", subject=subject, attach=attach)
    return Pending(runtime, answer, read_sent)


def parse_address(text: object) -> dict[str, str] | None:
    """`"Ann" <ann@acme.example>` or `ann@acme.example`: name, address, user and domain; None for what is neither."""
    check("str", text, str)
    whole = str(text).strip()
    name, bracket, rest = whole.rpartition("<")
    if bracket:
        if not rest.endswith(">"):
            return None
        whole, name = rest[:-1].strip(), name.strip()
        if name.startswith('"'):
            if len(name) < 2 or not name.endswith('"'):
                return None
            name = re.sub(r"\\(.)", r"\1", name[1:-1])
        elif "@" in name or "<" in name:
            return None
    found = _ADDRESS.fullmatch(whole)
    if found is None or len(whole) > 254:  # RFC 5321 s4.5.3.1.3
        return None
    return {"name": name if bracket else "", "address": whole, "user": found[1], "domain": found[2].lower()}
