"""One outgoing WebSocket over one TCP connection: an asyncio protocol around websockets' sans-IO client (RFC 6455).

    connecting ──response──> open ──close sent or received, or failed──> closing ──TCP gone──> closed

Audio is many small messages, so whole messages take a fast lane past the library: outgoing ones are framed here,
incoming unfragmented ones are cut out of the received bytes here. Everything else (handshake, fragments, control
frames, the rules about closing and about wrong bytes) is the library's. No task, no timer and no queue per socket:
what is sent in one turn of the loop leaves in one write at its end, and `tick` watches the deadlines.
"""

from __future__ import annotations

import asyncio
import logging
import os
import struct
from collections.abc import Callable
from typing import Protocol as Interface
from typing import cast

from websockets.client import ClientProtocol
from websockets.exceptions import InvalidStatus
from websockets.exceptions import ProtocolError as WebsocketProtocolError
from websockets.frames import CloseCode, Frame, Opcode
from websockets.protocol import State

from ivrnode.errors import ProtocolError
from ivrnode.net.outbound.websocket_request import MAX_MESSAGE, WebsocketRequest

try:
    from websockets.speedups import apply_mask
except ImportError:  # no C extension on this platform
    from websockets.utils import apply_mask

MAX_UNSENT = 4 * 1024 * 1024
"""Bytes that may wait for a peer that does not read; with more the socket fails."""
PING_INTERVAL = 20.0
"""Seconds from one ping to the next, and the time that a pong may take."""
CLOSE_TIMEOUT = 3.0
"""Seconds that the peer has to answer a close frame and to end TCP."""

MAX_SLOW_FRAMES = 20_000
"""Control frames and fragments that the peer may send between two of our pings: they cost more than they bring."""

_PAUSE_AT = 64 * 1024
_TEXT = 0x81  # FIN + opcode, RFC 6455 s5.2
_BINARY = 0x82
_REDIRECTS = {301, 302, 303, 307, 308}  # RFC 9110 s15.4
_ABNORMAL = (1006, "")  # RFC 6455 s7.1.5: no close frame was received
_SILENT = logging.Logger("websockets", logging.CRITICAL + 1)  # the library's log would show header values


class ClientListener(Interface):
    """What a `WebsocketClient` tells, called in the loop. It must not raise."""

    def opened(self, subprotocol: str) -> None: ...
    def message(self, data: str | bytes) -> None: ...
    def sent(self, buffered: int) -> None: ...
    def failed(self, error: str) -> None: ...
    def closed(self, code: int, reason: str) -> None: ...


class RedirectError(ProtocolError):
    """The server answered the handshake with another place to go."""

    def __init__(self, location: str) -> None:
        super().__init__("redirected")
        self.location = location


class WebsocketClient(asyncio.Protocol):
    """One connection, from TCP connected to TCP gone.

    `handshake` ends with None when the socket is open; with RedirectError or ProtocolError when it never will be, and
    then the listener hears nothing from this object. `opened` comes first, `closed` last and exactly once.
    """

    def __init__(
        self,
        request: WebsocketRequest,
        listener: ClientListener,
        schedule_flush: Callable[[WebsocketClient], None],
        clock: Callable[[], float],
    ) -> None:
        """`schedule_flush(self)` must lead to one `flush()` at the end of this turn of the loop."""
        self.handshake: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.is_open = False
        self._request = request
        self._listener = listener
        self._schedule_flush = schedule_flush
        self._clock = clock
        self._protocol = ClientProtocol(
            request.uri, subprotocols=request.offered(), max_size=MAX_MESSAGE, logger=_SILENT
        )
        self._transport: asyncio.Transport | None = None
        self._pending: list[bytes] = []
        self._received = bytearray()  # handshake: its last three bytes; fast lane: a frame that is not yet whole
        self._frame_size = 0  # bytes that `_received` needs before it is worth another look
        self._is_held = False
        self._fragments: list[Frame] = []
        self._slow_frames = 0
        self._told_unsent = 0
        self._ping_at = 0.0
        self._awaited_pong = b""
        self._give_up_at = float("inf")
        self._close: tuple[int, str] | None = None  # how it ended, when that was not the peer's close frame

    # From the pool.

    def send(self, data: str | bytes) -> None:
        """Queue one message, in one frame. Dropped when not open."""
        if self.is_open:
            if isinstance(data, str):
                self._write(_masked_frame(_TEXT, data.encode("utf-8", "replace")))
            else:
                self._write(_masked_frame(_BINARY, data))

    def close(self, code: int, reason: str) -> None:
        """Begin closing. Harmless when not open. A code that no endpoint may send becomes 1000."""
        if not self.is_open:
            return
        reason = reason.encode("utf-8", "replace")[:123].decode("utf-8", "ignore")  # RFC 6455 s5.5: 125 with the code
        try:
            self._protocol.send_close(code, reason)
        except WebsocketProtocolError:
            self._protocol.send_close(CloseCode.NORMAL_CLOSURE, reason)
        self._drain()

    def hold(self, is_held: bool) -> None:
        """Deliver no message and read nothing until it is called with False: the peer has to wait (TCP's window)."""
        self._is_held = is_held
        if self._transport is None or self._transport.is_closing():
            return
        if is_held:
            self._transport.pause_reading()
            return
        self._transport.resume_reading()
        self._ping_at = self._clock() + PING_INTERVAL  # a pong may have waited, too
        if self._received:
            asyncio.get_running_loop().call_soon(self._look_again)

    def _look_again(self) -> None:
        if self.is_open and self._received:
            held, self._received = bytes(self._received), bytearray()
            self._frames_received(held)

    def abort(self) -> None:
        """Drop the TCP connection now; `closed` follows."""
        self.is_open = False
        if self._transport is not None:
            self._transport.abort()

    def tick(self, now: float) -> None:
        """Ping, and give up on a peer that answers no ping or does not close."""
        if now >= self._give_up_at:
            self.abort()
        elif self.is_open and now >= self._ping_at and not self._is_held:
            if self._awaited_pong:
                self._fail("no pong")
                return
            self._awaited_pong = os.urandom(4)
            self._protocol.send_ping(self._awaited_pong)
            self._ping_at = now + PING_INTERVAL
            self._slow_frames = 0
            self._drain()

    def flush(self) -> None:
        """Hand to the transport what this turn of the loop has gathered."""
        transport, pending = self._transport, self._pending
        self._pending = []
        if transport is None or transport.is_closing():
            return
        transport.write(pending[0] if len(pending) == 1 else b"".join(pending))
        unsent = transport.get_write_buffer_size()
        if unsent > MAX_UNSENT:
            self._fail("the peer does not read: more than 4 MB unsent")
        elif abs(unsent - self._told_unsent) >= _PAUSE_AT:
            self._tell_unsent(unsent)

    # From the transport.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(high=_PAUSE_AT, low=0)
        self._request.start(self._protocol)
        self._drain()

    def data_received(self, data: bytes) -> None:
        if not self.is_open:
            receive = self._feed if self.handshake.done() else self._handshake_received
            receive(data)
        elif not self._received:
            self._frames_received(data)
        else:
            # A frame that trickles in costs an append each time, not a copy of all that is there.
            self._received += data
            if len(self._received) >= self._frame_size:
                whole, self._received = bytes(self._received), bytearray()
                self._frames_received(whole)

    def eof_received(self) -> None:
        self._protocol.receive_eof()
        self._drain()

    def connection_lost(self, error: Exception | None) -> None:
        self._transport, self.is_open = None, False
        if not self.handshake.done():
            self.handshake.set_exception(ProtocolError("the connection ended during the handshake"))
        elif not self.handshake.cancelled() and self.handshake.exception() is None:
            received = self._protocol.close_rcvd
            self._listener.closed(*(self._close or ((int(received.code), received.reason) if received else _ABNORMAL)))

    def resume_writing(self) -> None:
        if self._told_unsent:
            self._tell_unsent(0)

    # Received bytes.

    def _handshake_received(self, data: bytes) -> None:
        # The library gets the head alone, so that frames right behind it take the fast lane.
        seen = bytes(self._received) + data
        end = seen.find(b"\r\n\r\n")
        head = len(data) if end < 0 else end + 4 - len(self._received)
        self._received[:] = seen[-3:]
        self._protocol.receive_data(data[:head])
        if self._protocol.state is not State.OPEN:
            self._feed(data[head:])
            return
        self._received.clear()
        self._protocol.events_received()
        self._ping_at = self._clock() + PING_INTERVAL
        self.is_open = True
        self.handshake.set_result(None)
        self._listener.opened(self._protocol.subprotocol or "")
        if head < len(data):
            self.data_received(data[head:])

    def _frames_received(self, data: bytes) -> None:
        """Deliver the whole messages in `data`, give the library what is special, keep what is not yet whole."""
        at = 0
        while self.is_open:
            if self._is_held:
                self._received, self._frame_size = bytearray(data[at:]), 0
                return
            start, end = _payload_bounds(data, at)
            if end > len(data):
                self._received, self._frame_size = bytearray(data[at:]), end - at
                return
            first = data[at]
            if start < end and not self._fragments and first in (_TEXT, _BINARY):
                self._deliver(first == _TEXT, data[start:end])
            else:
                self._feed(data[at:end])
            at = end
        self._feed(data[at:])

    def _feed(self, data: bytes) -> None:
        self._protocol.receive_data(data)
        self._drain()

    def _drain(self) -> None:
        """After any door of the library: take what it made of it."""
        for event in self._protocol.events_received():
            if isinstance(event, Frame) and self.is_open:
                self._frame_received(event)
        for data in self._protocol.data_to_send():
            if data:  # b"" asks to end TCP, which the transport does by itself at the peer's end and on abort
                self._write(data)
        error, sent = self._protocol.parser_exc, self._protocol.close_sent
        if self.is_open and error is not None and not isinstance(error, EOFError) and sent is not None:
            self._close = (int(sent.code), sent.reason)
            self._listener.failed(f"protocol error: {sent.reason}")
        if self._protocol.state is not State.OPEN and self.handshake.done():
            self.is_open = False
            self._give_up_at = min(self._give_up_at, self._clock() + CLOSE_TIMEOUT)
        if self._protocol.handshake_exc is not None and not self.handshake.done():
            self.handshake.set_exception(_handshake_error(self._protocol.handshake_exc))
            self.abort()

    def _frame_received(self, frame: Frame) -> None:
        self._slow_frames += 1
        if self._slow_frames > MAX_SLOW_FRAMES:
            self._refuse(CloseCode.POLICY_VIOLATION, "too many control frames and fragments")
        elif frame.opcode is Opcode.PONG:
            if frame.data == self._awaited_pong:
                self._awaited_pong = b""
        elif frame.opcode in (Opcode.TEXT, Opcode.BINARY, Opcode.CONT):
            self._fragments.append(frame)
            if frame.fin:
                fragments, self._fragments = self._fragments, []
                self._deliver(fragments[0].opcode is Opcode.TEXT, b"".join(part.data for part in fragments))

    def _deliver(self, is_text: bool, data: bytes) -> None:
        if not is_text:
            self._listener.message(data)
            return
        try:
            text = str(data, "utf-8")
        except UnicodeDecodeError:
            self._refuse(CloseCode.INVALID_DATA, "text that is not UTF-8")
        else:
            self._listener.message(text)

    # The ways out.

    def _write(self, data: bytes) -> None:
        if not self._pending:
            self._schedule_flush(self)
        self._pending.append(data)

    def _tell_unsent(self, unsent: int) -> None:
        self._told_unsent = unsent
        if self.is_open:
            self._listener.sent(unsent)

    def _refuse(self, code: CloseCode, error: str) -> None:
        """The peer broke a rule that the library does not know: close politely with `code`."""
        self._close = (int(code), error)
        self._listener.failed(f"protocol error: {error}")
        self._protocol.fail(code, error)
        self._drain()

    def _fail(self, error: str) -> None:
        """The connection is of no use any more."""
        if self.is_open:
            self._close = _ABNORMAL
            self._listener.failed(error)
            self.abort()


def _masked_frame(first: int, payload: bytes) -> bytes:
    """One whole message as a client sends it: RFC 6455 s5.2 and s5.3 (the key must be unpredictable)."""
    length, key = len(payload), os.urandom(4)
    if length < 126:
        head = struct.pack("!BB4s", first, 0x80 | length, key)
    elif length < 65536:
        head = struct.pack("!BBH4s", first, 0x80 | 126, length, key)
    else:
        head = struct.pack("!BBQ4s", first, 0x80 | 127, length, key)
    return head + apply_mask(payload, key)


def _payload_bounds(data: bytes, at: int) -> tuple[int, int]:
    """Where the payload of the frame at `at` starts and ends (RFC 6455 s5.2), as far as `data` tells.

    A frame that is masked or too long counts as its head alone: enough for the library to refuse it.
    """
    start = at + 2
    if len(data) < start:
        return start, start
    length = data[at + 1]
    if length >= 126:
        if length > 127:
            return start, start
        start += 2 if length == 126 else 8
        length = int.from_bytes(data[at + 2 : start])
        if len(data) < start or length > MAX_MESSAGE:
            return start, start
    return start, start + length


def _handshake_error(refusal: Exception) -> ProtocolError:
    if not isinstance(refusal, InvalidStatus):
        return ProtocolError(f"handshake failed: {refusal}")
    response = refusal.response
    location = response.headers.get("Location")
    if response.status_code in _REDIRECTS and location:
        return RedirectError(location)
    return ProtocolError(f"the server answered HTTP {response.status_code}")
