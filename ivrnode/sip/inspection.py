"""What every new request must pass before anyone acts on it (RFC 3261 s8.2)."""

from __future__ import annotations

from collections.abc import Collection

from ivrnode.sip.message import Request
from ivrnode.sip.refusal import RefusalError

KNOWN_METHODS = frozenset(
    ("INVITE", "ACK", "CANCEL", "BYE", "OPTIONS", "REGISTER", "INFO", "UPDATE", "PRACK", "MESSAGE", "REFER", "NOTIFY",
     "SUBSCRIBE", "PUBLISH")
)  # fmt: skip
"""What is refused with 405 (known, not allowed here) and not with 501."""

UNDERSTOOD = frozenset(("path",))
"""Option tags that a `Require` may name."""


def inspect(request: Request, allow: Collection[str], *, is_merged: bool) -> None:
    """Raises RefusalError with the status and header fields that answer `request`."""
    if request.method not in allow:
        if request.method == "REFER":
            raise RefusalError(603)  # understood, and declined: nobody outside moves our calls (RFC 3515 s2.4.2)
        raise RefusalError(405 if request.method in KNOWN_METHODS else 501, ("Allow", ", ".join(allow)))
    if is_merged:
        raise RefusalError(482)
    if request.max_forwards == 0 and request.to.tag is None:
        raise RefusalError(483)  # in a dialog we are the last hop anyway (RFC 4475 s3.3.11)
    unknown = [tag for tag in request.headers.get_all("Require") if tag.lower() not in UNDERSTOOD]
    if unknown:
        raise RefusalError(420, ("Unsupported", ", ".join(unknown)))
