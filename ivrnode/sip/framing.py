"""`StreamFramer`: cuts a TCP or TLS byte stream into messages (RFC 3261 s18.3), counts keep-alives (RFC 5626 s4.4.1).

```
 CRLF CRLF | head ... CRLF CRLF | body of Content-Length bytes | CRLF CRLF | head ...
 a ping    | one message                                       | a ping    |
```
"""

from __future__ import annotations

from ivrnode.errors import ProtocolError
from ivrnode.sip.grammar import parse_number
from ivrnode.sip.headers import Headers
from ivrnode.sip.message import MAX_BODY, MAX_HEAD

PATIENCE = 10.0
"""Seconds that half a message may wait for its other half."""

_END_OF_HEAD = b"\r\n\r\n"


class FramingError(ProtocolError):
    """The stream cannot be read on: close it after dealing with `messages`.

    They are the whole messages that came before the fault; when a head without a usable Content-Length is the fault,
    it is the last of them, and `parse_message(..., is_stream=True)` says how to answer it.
    """

    def __init__(self, message: str, status: int, messages: list[bytes]) -> None:
        super().__init__(message, status)
        self.messages = messages


class StreamFramer:
    """Feed it what the stream brings. After a FramingError it must not be fed again."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._searched = 0  # up to here there is no end of the head
        self._needed = 0  # length of the message whose head is known, 0 while it is not
        self._pings = 0
        self.deadline: float | None = None
        """When the half message in the buffer must be whole; None when there is none. Whoever has the clock closes."""

    def feed(self, data: bytes, now: float) -> list[bytes]:
        """Take bytes of any number, give the messages that are whole now. Raises FramingError."""
        self._buffer += data
        messages: list[bytes] = []
        try:
            while message := self._next_message():
                messages.append(message)
        except ProtocolError as error:
            raise FramingError(str(error), error.status, messages + self._faulty_head()) from None
        if not self._buffer or messages:
            self.deadline = None
        if self._buffer and self._buffer != b"\r" and self.deadline is None:
            self.deadline = now + PATIENCE
        if self.deadline is not None and now > self.deadline:
            raise FramingError("Half a message for too long", 408, messages)
        return messages

    def take_pings(self) -> int:
        """How many CRLFCRLF came since the last call; each is owed one CRLF (RFC 5626 s4.4.1)."""
        pings, self._pings = self._pings // 2, self._pings % 2
        return pings

    def _next_message(self) -> bytes | None:
        if not self._needed:
            self._skip_keep_alives()
            end = self._buffer.find(_END_OF_HEAD, self._searched)
            if end < 0:
                self._searched = max(0, len(self._buffer) - len(_END_OF_HEAD) + 1)
                if len(self._buffer) > MAX_HEAD:
                    raise ProtocolError("Message Too Large", 513)
                return None
            self._searched = end
            if end > MAX_HEAD:
                raise ProtocolError("Message Too Large", 513)
            self._needed = end + len(_END_OF_HEAD) + _content_length(bytes(self._buffer[:end]))
        if len(self._buffer) < self._needed:
            return None
        message = bytes(self._buffer[: self._needed])
        del self._buffer[: self._needed]
        self._needed = self._searched = 0
        return message

    def _skip_keep_alives(self) -> None:
        """Take CRLFs off between messages (RFC 3261 s7.5)."""
        start = 0
        while self._buffer.startswith(b"\r\n", start):
            start += 2
        if start:
            del self._buffer[:start]
            self._pings += start // 2
            self._searched = 0
        if len(self._buffer) > 1:
            self._pings -= self._pings % 2  # a lone CRLF before a message is no half of a ping

    def _faulty_head(self) -> list[bytes]:
        """The head that gave no usable length, if that was the fault, as a message without body."""
        end = self._searched
        if end > MAX_HEAD or not self._buffer.startswith(_END_OF_HEAD, end):
            return []
        return [bytes(self._buffer[:end]) + _END_OF_HEAD]


def is_keep_alive(datagram: bytes) -> bool:
    """True for a datagram that only keeps a NAT binding open: empty, line ends, blanks or NULs (RFC 5626 s3.5)."""
    return not datagram.strip(b"\r\n\0 ")


def _content_length(head: bytes) -> int:
    """Raises ProtocolError unless the head says exactly once how long the body is."""
    lines = head.decode("utf-8", "surrogateescape").partition("\r\n")[2]
    values = Headers.parse(lines)[0].lines("content-length")
    if len(values) != 1:
        raise ProtocolError("Several Content-Length" if values else "Missing Content-Length")
    length = parse_number(values[0], 10**9, "Content-Length")
    if length > MAX_BODY:
        raise ProtocolError("Request Entity Too Large", 413)
    return length
