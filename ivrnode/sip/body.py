"""What a body must be for us: a session description, or nothing (RFC 3261 s8.2.3, RFC 5621 s8)."""

from __future__ import annotations

from ivrnode.errors import ProtocolError
from ivrnode.sip.message import Request, Response
from ivrnode.sip.multipart import SDP, find_sdp
from ivrnode.sip.refusal import RefusalError


def session_description(message: Request | Response) -> bytes | None:
    """The SDP of `message`, out of a multipart body if need be; None when there is none to understand.

    Raises RefusalError(415) for a body that must be understood and is not, ProtocolError for a broken multipart.
    """
    if not message.body:
        return None
    headers = message.headers
    is_plain = (headers.get("Content-Encoding") or "identity").lower() == "identity"
    description = find_sdp(message) if is_plain else None
    if description is None and not _is_optional(headers.get("Content-Disposition") or ""):
        raise RefusalError(415, ("Accept", SDP), ("Accept-Encoding", "identity"))
    return description


def readable_description(message: Request | Response) -> bytes | None:
    """The SDP of a message that cannot be refused: a response or an ACK."""
    try:
        return session_description(message)
    except ProtocolError:
        return None


def _is_optional(disposition: str) -> bool:
    return "handling=optional" in disposition.replace(" ", "").lower()
