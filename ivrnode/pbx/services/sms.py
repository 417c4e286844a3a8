"""`call.sms`: a text message through the operator's gateway, which is asked by HTTP (`[sms]`)."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable, Mapping
from urllib.parse import quote, quote_plus, urlsplit

from ivrnode.errors import ScriptError
from ivrnode.pbx.call.call import Call
from ivrnode.pbx.house.house import House
from ivrnode.pbx.house.http_messages import HttpRequest, HttpResponse
from ivrnode.pbx.services.arguments import Arguments
from ivrnode.script.messages import Request
from ivrnode.tenancy.gateways import NUMBER, SmsGateway
from ivrnode.tenancy.secrets import Secret

LONGEST_TEXT = 1600
REFUSED, FAILED, SENT = 2, 3, 5
_FIELD = re.compile(r"\{(to|from|text|name|secret)\}")
_is_number = re.compile(NUMBER).fullmatch


class SmsService:
    """The service `sms`. Its answer is {"error": ""}; who was refused hears why."""

    def __init__(self, house: House, gateway: SmsGateway, secrets: Mapping[str, Secret]) -> None:
        """`secrets`: the system's."""
        self._house, self._gateway, self._secrets = house, gateway, secrets

    def __call__(self, call: Call, request: Request, now: float) -> None:
        def came(answer: HttpResponse, _: float) -> None:
            error = answer.error or ("" if 200 <= answer.code < 300 else f"the gateway answered {answer.code}")
            call.write("WEBCLIENT", FAILED if error else SENT, f"{line}: {error or 'sent'}")
            call.reply(request.request, {"error": error})

        try:
            values = self._read(call, request)
            line = f"text message to {values['to']} from {values['from']}"
            message = self._message(values)
            if refusal := self._house.quotas.take(call.tenant, "sms", 1, now, call.id):
                raise ScriptError(refusal)
        except ScriptError as error:
            call.write("SCRIPT", REFUSED, f"call.sms: {error}")
            call.reply(request.request, {"error": str(error)})
            return
        self._house.effects.fetch(message, came)

    def _read(self, call: Call, request: Request) -> dict[str, str]:
        if not self._gateway.url:
            raise ScriptError("no SMS gateway is configured: [sms] in ivrnode.toml")
        given = Arguments(request.arguments)
        tenant = self._house.tenant_of(call.tenant)
        own = tenant.sms_from if tenant is not None else ()
        if not own:
            raise ScriptError("this tenant has no number to send from: sms_from in tenant.toml")
        to = given.line("to", "", most=40) or call.facts.caller
        sender = given.line("from", "", most=40) or own[0]
        if not _is_number(to):
            raise ScriptError(f"{to!r} is no number in the form +49301234567")
        if sender not in own:
            raise ScriptError(f"a message from {sender!r} is not allowed: this tenant writes as {' or '.join(own)}")
        text = given.text("text", most=LONGEST_TEXT)
        if not text:
            raise ScriptError("the text is empty")
        return {"to": to, "from": sender, "text": text, "name": given.line("name", "", most=100)}

    def _message(self, values: Mapping[str, str]) -> HttpRequest:
        gateway = self._gateway
        secret = self._secret()
        headers = [(name, _fill(text, values, secret, _plain_line), True) for name, text in gateway.headers.items()]
        body = b""
        if gateway.method != "GET":
            headers.append(("Content-Type", gateway.content_type, False))
            body = _fill(gateway.body, values, secret, _escape_for(gateway.content_type)).encode()
        url = _fill(gateway.url, values, secret, lambda value: quote(value, safe=""))
        return HttpRequest(gateway.method, url, tuple(headers), body, redirects=0, is_operators=True)

    def _secret(self) -> str:
        if not self._gateway.secret:
            return ""
        secret = self._secrets.get(self._gateway.secret)
        if secret is None or not secret.is_for(urlsplit(self._gateway.url).hostname or ""):
            raise ScriptError(f'the gateway\'s secret "{self._gateway.secret}" is not set, or not for its host')
        return secret.value


def _fill(template: str, values: Mapping[str, str], secret: str, escape: Callable[[str], str]) -> str:
    return _FIELD.sub(lambda found: escape(secret if found[1] == "secret" else values[found[1]]), template)


def _plain_line(value: str) -> str:
    return " ".join(value.split())


def _escape_for(content_type: str) -> Callable[[str], str]:
    """How a value is written inside a text of this media type."""
    kind = content_type.partition(";")[0].strip().lower()
    if kind == "application/json" or kind.endswith("+json"):
        return lambda value: json.dumps(value, ensure_ascii=False)[1:-1]
    if kind == "application/x-www-form-urlencoded":
        return quote_plus
    if kind in ("text/xml", "application/xml") or kind.endswith("+xml"):
        return html.escape
    return lambda value: value
