"""`Request` and `Response`: the two kinds of message, read from bytes and written to them (RFC 3261 s7).

Header lines stay raw; what they mean is parsed on first use and kept until a line of that name changes.
`parse_message` looks at every field that has an accessor here, so the accessors of a message that came out of it do
not raise. Content-Length is no header here: reading takes it off, writing puts it on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from ivrnode.errors import ProtocolError
from ivrnode.sip import fields
from ivrnode.sip.address import NameAddr
from ivrnode.sip.cseq import CSeq
from ivrnode.sip.grammar import is_token, parse_number
from ivrnode.sip.headers import Headers, check_text
from ivrnode.sip.status import reason_of
from ivrnode.sip.uri import Uri
from ivrnode.sip.via import Via

MAX_HEAD = 64 * 1024
MAX_BODY = 1024 * 1024

_KNOWN_SCHEMES = ("sip", "sips", "tel")


class MessageError(ProtocolError):
    """Bytes that are no message.

    `request` is what could be read of a request that is owed an answer with `status`, the error's text as reason; its
    accessors may raise, but for `vias` and `top_via`. None when no answer is due: a response, an ACK, no usable Via.
    """

    def __init__(self, message: str, status: int = 400, request: Request | None = None) -> None:
        super().__init__(message, status)
        self.request = request


class _Message:
    """What both kinds share. Accessors raise ProtocolError when the field is missing or wrong.

    Lists that they give are kept and shared: they are only to be read. Change `headers` instead.
    """

    __slots__ = ("body", "headers")

    headers: Headers
    body: bytes

    @property
    def vias(self) -> list[Via]:
        return self.headers.typed("via", fields.vias)

    @property
    def top_via(self) -> Via:
        return self.headers.typed("via", fields.vias)[0]

    @property
    def from_(self) -> NameAddr:
        return self.headers.typed("from", fields.from_)

    @property
    def to(self) -> NameAddr:
        return self.headers.typed("to", fields.to)

    @property
    def call_id(self) -> str:
        return self.headers.typed("call-id", fields.call_id)

    @property
    def cseq(self) -> CSeq:
        return self.headers.typed("cseq", fields.cseq)

    @property
    def contacts(self) -> list[NameAddr]:
        """Contact addresses; empty for `Contact: *`, which `has_wildcard_contact` tells."""
        return self.headers.typed("contact", fields.contacts)

    @property
    def has_wildcard_contact(self) -> bool:
        return self.headers.get("Contact") == "*"

    @property
    def routes(self) -> list[NameAddr]:
        return self.headers.typed("route", fields.routes)

    @property
    def record_routes(self) -> list[NameAddr]:
        return self.headers.typed("record-route", fields.record_routes)

    @property
    def max_forwards(self) -> int | None:
        """None when the field is absent (RFC 2543 peers)."""
        return self.headers.typed("max-forwards", fields.max_forwards)

    @property
    def expires(self) -> int | None:
        """Seconds; None when the field is absent."""
        return self.headers.typed("expires", fields.expires)

    @property
    def content_type(self) -> str:
        """Media type in lower case without parameters, such as `application/sdp`; "" when the field is absent."""
        return self.headers.typed("content-type", fields.content_type)

    def _write(self, start_line: str) -> bytes:
        check_text(start_line)
        lines = [f"{name}: {value}" for name, value in self.headers if name != "Content-Length"]
        head = "\r\n".join([start_line, *lines, f"Content-Length: {len(self.body)}", "", ""])
        return head.encode("utf-8", "surrogateescape") + self.body


_COPIED = ("Via", "From", "To", "Call-ID", "CSeq")


class Request(_Message):
    __slots__ = ("method", "uri")

    def __init__(
        self, method: str, uri: Uri, headers: Headers | Iterable[tuple[str, str]] = (), body: bytes = b""
    ) -> None:
        self.method = method
        self.uri = uri
        self.headers = headers if isinstance(headers, Headers) else Headers(headers)
        self.body = body

    def __bytes__(self) -> bytes:
        """Raises ValueError when method or URI hold CR, LF or NUL."""
        return self._write(f"{self.method} {self.uri} SIP/2.0")

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Request):
            return NotImplemented
        mine = (self.method, self.uri, self.headers, self.body)
        return mine == (other.method, other.uri, other.headers, other.body)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"<Request {self.method} {self.uri}>"

    def replace_top_via(self, via: Via) -> None:
        """Write another top Via, such as one with `received` and `rport` filled (RFC 3261 s18.2.1, RFC 3581 s4)."""
        self.headers.replace_first("Via", str(via))

    def response(self, status: int, reason: str | None = None, *, to_tag: str | None = None) -> Response:
        """The answer to this request (RFC 3261 s8.2.6): Via, From, To, Call-ID and CSeq as they came.

        `to_tag` is added to a To without one. Record-Route goes into 101-199 and 2xx (s12.1.1), Timestamp into 100.
        """
        response = Response(status, reason_of(status) if reason is None else reason)
        headers = response.headers
        headers.copy_from(self.headers, *_COPIED)
        to = headers.get("To")
        if to_tag is not None and to is not None and not _has_to_tag(self):
            headers.set("To", f"{to};tag={to_tag}")
        if status == 100:
            headers.copy_from(self.headers, "Timestamp")
        elif status < 300:
            headers.copy_from(self.headers, "Record-Route")
        return response


class Response(_Message):
    __slots__ = ("reason", "status")

    def __init__(
        self, status: int, reason: str, headers: Headers | Iterable[tuple[str, str]] = (), body: bytes = b""
    ) -> None:
        self.status = status
        self.reason = reason
        self.headers = headers if isinstance(headers, Headers) else Headers(headers)
        self.body = body

    def __bytes__(self) -> bytes:
        """Raises ValueError when the reason holds CR, LF or NUL."""
        return self._write(f"SIP/2.0 {self.status} {self.reason}")

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Response):
            return NotImplemented
        mine = (self.status, self.reason, self.headers, self.body)
        return mine == (other.status, other.reason, other.headers, other.body)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"<Response {self.status} {self.reason}>"


def parse_message(data: bytes, *, is_stream: bool = False) -> Request | Response:
    """Read one message: a datagram, a WebSocket frame, or (`is_stream`) what `StreamFramer` cut out of a stream.

    Bytes after Content-Length are ignored (RFC 3261 s18.3); on a stream Content-Length is required. Raises
    MessageError, and nothing else, for anything that is not a message.
    """
    head, separator, body = data.lstrip(b"\r\n").partition(b"\r\n\r\n")
    if len(head) > MAX_HEAD:
        raise MessageError("Message Too Large", 513)
    if b"\0" in head:
        # NUL may stand escaped in a quoted string (RFC 4475 s3.1.1.2) but is never written: another control
        # character, refused and dropped in the same places, takes its part.
        head = head.replace(b"\0", b"\x01")
    start_line, _, lines = head.decode("utf-8", "surrogateescape").partition("\r\n")
    headers, fault = Headers.parse(lines)
    if not separator:
        fault = fault or ProtocolError("No empty line after the header")
    if start_line[:4].upper() == "SIP/":
        return _read_response(start_line, headers, body, fault, is_stream)
    return _read_request(start_line, headers, body, fault, is_stream)


def _read_response(
    start_line: str, headers: Headers, body: bytes, fault: ProtocolError | None, is_stream: bool
) -> Response:
    if fault:
        raise MessageError(str(fault), fault.status)
    version, _, rest = start_line.partition(" ")
    code, _, reason = rest.partition(" ")
    if version.upper() != "SIP/2.0" or len(code) != 3 or "\r" in reason or "\n" in reason:
        raise MessageError("Bad status line")
    try:
        response = Response(parse_number(code, 699, "status"), reason, headers)
        if response.status < 100:
            raise ProtocolError("Bad status")
        response.body = _cut_body(headers, body, is_stream)
        _check_fields(headers)
    except ProtocolError as error:
        raise MessageError(str(error), error.status) from None
    return response


def _read_request(
    start_line: str, headers: Headers, body: bytes, fault: ProtocolError | None, is_stream: bool
) -> Request:
    method, _, rest = start_line.partition(" ")
    target, _, version = rest.rpartition(" ")
    request = Request(method, Uri("invalid", target), headers)
    try:
        if not is_token(method) or version[:4].upper() != "SIP/":
            raise ProtocolError("Bad request line")
        if version.upper() != "SIP/2.0":
            raise ProtocolError("Version Not Supported", 505)
        if fault:
            raise fault
        request.uri = Uri.parse(target)
        if request.uri.scheme not in _KNOWN_SCHEMES:
            raise ProtocolError("Unsupported URI Scheme", 416)
        if request.uri.headers:
            raise ProtocolError("Headers in Request-URI")  # RFC 3261 s19.1.1 table 1, RFC 4475 s3.1.2.11
        request.body = _cut_body(headers, body, is_stream)
        _check_fields(headers)
        if request.cseq.method != method:
            raise ProtocolError("CSeq method differs from request method")
    except ProtocolError as error:
        raise MessageError(str(error), error.status, request if _is_answerable(request, start_line) else None) from None
    return request


def _is_answerable(request: Request, start_line: str) -> bool:
    """True if this was a request, not an ACK (RFC 3261 s17.1.1.1: no response to it), and names its way back."""
    if request.method == "ACK" or not is_token(request.method) or " SIP/" not in start_line.upper():
        return False
    try:
        return bool(request.vias)
    except ProtocolError:
        return False


def _cut_body(headers: Headers, body: bytes, is_stream: bool) -> bytes:
    """Take Content-Length off the headers and cut the body by it (RFC 3261 s18.3, s20.14)."""
    values = headers.lines("content-length")
    if values:
        headers.remove("content-length")
    if len(values) > 1:
        raise ProtocolError("Several Content-Length")
    if values:
        length = parse_number(values[0], 10**9, "Content-Length")
    elif is_stream:
        raise ProtocolError("Missing Content-Length")
    else:
        length = len(body)
    if length > MAX_BODY:
        raise ProtocolError("Request Entity Too Large", 413)
    if length > len(body):
        raise ProtocolError("Body shorter than Content-Length")
    return body if length == len(body) else body[:length]


_REQUIRED: dict[str, Callable[[Headers], Any]] = {
    "via": fields.vias,
    "from": fields.from_,
    "to": fields.to,
    "call-id": fields.call_id,
    "cseq": fields.cseq,
}
_OPTIONAL: dict[str, Callable[[Headers], Any]] = {
    "contact": fields.contacts,
    "route": fields.routes,
    "record-route": fields.record_routes,
    "max-forwards": fields.max_forwards,
    "expires": fields.expires,
    "content-type": fields.content_type,
}


def _check_fields(headers: Headers) -> None:
    """Parse every field that has an accessor. Raises ProtocolError at the first that is wrong."""
    for key, parse in _REQUIRED.items():
        headers.typed(key, parse)
    for key in _OPTIONAL.keys() & headers.keys():
        headers.typed(key, _OPTIONAL[key])


def _has_to_tag(request: Request) -> bool:
    """False also for a To that cannot be read: a tag put after it still marks the answer as ours."""
    try:
        return request.to.tag is not None
    except ProtocolError:
        return False
