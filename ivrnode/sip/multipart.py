"""Finding the session description in a body, bare or inside multipart (RFC 5621, RFC 2046 s5.1)."""

from __future__ import annotations

from ivrnode.errors import ProtocolError
from ivrnode.sip import fields
from ivrnode.sip.grammar import unquote
from ivrnode.sip.headers import Headers
from ivrnode.sip.message import Request, Response
from ivrnode.sip.parameters import find_parameter, parse_parameters

SDP = "application/sdp"

_LONGEST_BOUNDARY = 70
_MAX_PARTS = 64


def find_sdp(message: Request | Response) -> bytes | None:
    """The body's SDP; of a multipart body that of its first application/sdp part. None when there is none.

    A body without Content-Type is no SDP: RFC 3261 s20.15 requires the field. Parts inside parts are not looked into.
    Raises ProtocolError for a multipart without usable boundary.
    """
    if not message.body:
        return None
    if message.content_type == SDP:
        return message.body
    if not message.content_type.startswith("multipart/"):
        return None
    boundary = _boundary(message.headers.get("Content-Type") or "")
    # A delimiter stands at the start of a line; what is before the first one is preamble.
    parts = (b"\r\n" + message.body).split(b"\r\n--" + boundary, _MAX_PARTS)[1:]
    for part in parts:
        if part.startswith(b"--"):
            break
        # The rest of the delimiter's line is blank; the part's header follows it, and may be empty.
        _, _, part = part.partition(b"\r\n")
        head, _, body = (b"\r\n" + part).partition(b"\r\n\r\n")
        headers, _ = Headers.parse(head[2:].decode("utf-8", "surrogateescape"))
        if fields.content_type(headers) == SDP:
            return body
    return None


def _boundary(content_type: str) -> bytes:
    """RFC 2046 s5.1.1: 1 to 70 characters."""
    parameters = parse_parameters(content_type.partition(";")[2])
    boundary = unquote(find_parameter(parameters, "boundary") or "")
    if not 0 < len(boundary) <= _LONGEST_BOUNDARY:
        raise ProtocolError("Bad multipart boundary")
    return boundary.encode("utf-8", "surrogateescape")
