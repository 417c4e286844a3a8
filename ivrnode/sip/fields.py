"""What the header fields that every message needs mean: from raw lines to values (RFC 3261 s20).

Each function takes the headers of one message and raises ProtocolError when the field is missing or wrong.
"""

from __future__ import annotations

from ivrnode.errors import ProtocolError
from ivrnode.sip.address import NameAddr
from ivrnode.sip.cseq import CSeq
from ivrnode.sip.grammar import WHITESPACE, is_token, parse_number
from ivrnode.sip.headers import Headers
from ivrnode.sip.via import Via

MAX_HOPS = 70
MAX_EXPIRES = 2**32 - 1


def vias(headers: Headers) -> list[Via]:
    values = headers.get_all("via")
    if not values:
        raise ProtocolError("Missing Via")
    if len(values) > MAX_HOPS:
        raise ProtocolError("Too many Via")
    return [Via.parse(value) for value in values]


def from_(headers: Headers) -> NameAddr:
    return NameAddr.parse(_single(headers, "from", "From"))


def to(headers: Headers) -> NameAddr:
    return NameAddr.parse(_single(headers, "to", "To"))


def call_id(headers: Headers) -> str:
    value = _single(headers, "call-id", "Call-ID")
    if not value or " " in value or "\t" in value:
        raise ProtocolError("Bad Call-ID")
    return value


def cseq(headers: Headers) -> CSeq:
    return CSeq.parse(_single(headers, "cseq", "CSeq"))


def contacts(headers: Headers) -> list[NameAddr]:
    """Empty for `Contact: *`, which may not stand beside an address (RFC 3261 s10.2.2)."""
    values = headers.get_all("contact")
    if values == ["*"]:
        return []
    return [NameAddr.parse(value) for value in values]


def routes(headers: Headers) -> list[NameAddr]:
    return _hops(headers, "route")


def record_routes(headers: Headers) -> list[NameAddr]:
    return _hops(headers, "record-route")


def max_forwards(headers: Headers) -> int | None:
    return _number(headers, "max-forwards", 255, "Max-Forwards")


def expires(headers: Headers) -> int | None:
    return _number(headers, "expires", MAX_EXPIRES, "Expires")


def content_type(headers: Headers) -> str:
    """Media type in lower case, without its parameters; "" when the field is absent."""
    if not headers.lines("content-type"):
        return ""
    media_type = _single(headers, "content-type", "Content-Type").partition(";")[0]
    kind, slash, subtype = [part.strip(WHITESPACE) for part in media_type.lower().partition("/")]
    if not slash or not is_token(kind) or not is_token(subtype):
        raise ProtocolError("Bad Content-Type")
    return f"{kind}/{subtype}"


def _single(headers: Headers, key: str, name: str) -> str:
    """The one line of a field that stands exactly once (RFC 4475 s3.3.8)."""
    lines = headers.lines(key)
    if len(lines) != 1:
        raise ProtocolError(f"Several {name}" if lines else f"Missing {name}")
    return lines[0]


def _hops(headers: Headers, key: str) -> list[NameAddr]:
    values = headers.get_all(key)
    if len(values) > MAX_HOPS:
        raise ProtocolError("Too many Route")
    return [NameAddr.parse(value) for value in values]


def _number(headers: Headers, key: str, maximum: int, name: str) -> int | None:
    return parse_number(_single(headers, key, name), maximum, name) if headers.lines(key) else None
