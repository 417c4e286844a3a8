"""The global `Websocket`. The connection itself is the core's; here are its states and handlers.

new ──connect──> connecting ──> open ──close──> closing ──> closed ──connect──> ...
                      └───────────┴────────────────────────────^     each connect has a number of its own
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Generator
from typing import Any

from ivrnode.script import ops
from ivrnode.script.guest.arguments import check, check_headers, check_range, takes_object
from ivrnode.script.guest.emitter import Emitter
from ivrnode.script.guest.runtime import Runtime

_KEPT_MESSAGES = 1000
_to_json = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


class Sockets:
    """All sockets of a call that are not closed, by the number of their connect."""

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime
        self.live: dict[int, Websocket] = {}
        self._last = 0

    def add(self, socket: Websocket) -> int:
        if len(self.live) >= ops.MAX_SOCKETS:
            raise RuntimeError(f"a call has {ops.MAX_SOCKETS} websockets at most")
        self._last += 1
        self.live[self._last] = socket
        return self._last

    def close_all(self, code: int, reason: str) -> None:
        for socket in list(self.live.values()):
            socket.close(code, reason)


class Connecting:
    """What `connect` returns. Raises ConnectionError only for those who await it."""

    def __init__(self, opened: asyncio.Future[str]) -> None:
        self._opened = opened

    def __await__(self) -> Generator[Any, None, None]:
        error = yield from asyncio.shield(self._opened)
        if error:
            raise ConnectionError(error)


class Websocket(Emitter):
    """`state` is new, connecting, open, closing or closed; `buffered` bytes are still to be sent."""

    _events = {"open": 0, "message": 1, "error": 1, "close": 2}

    def __init__(self, sockets: Sockets, url: str, verify: bool = True) -> None:
        super().__init__(sockets.runtime)
        check("url", url, str)
        check("verify", verify, bool)
        if not url.startswith(("ws://", "wss://")) or any(sign in url for sign in "\r\n\0"):
            raise ValueError(f"url must begin with ws:// or wss://, not {url[:40]!r}")
        self.state = "new"
        self.subprotocol: str | None = None
        self.buffered = 0
        self._sockets, self._url, self._verify = sockets, url, verify
        self._headers: list[tuple[str, str, bool]] = []
        self._number = 0
        self._error = ""
        self._opened: asyncio.Future[str] | None = None
        self._messages: deque[str | bytes] = deque()
        self._waiter: asyncio.Future[None] | None = None
        self._told: set[str] = set()

    def header(self, list: list[dict[str, Any]]) -> Websocket:
        """Add `{name, value, secret}` of each to the handshake."""
        check("list", list, type([]), tuple)
        self._headers += check_headers(self._runtime, "Websocket.header", list)
        if len(self._headers) > ops.MAX_HEADERS:
            raise ValueError(f"a websocket has {ops.MAX_HEADERS} headers at most")
        return self

    @takes_object
    def connect(self, timeout: float = 10) -> Connecting:
        check_range("timeout", timeout, 0.001, 60)
        if self.state not in ("new", "closed"):
            raise RuntimeError(f"connect: the websocket is {self.state}")
        self._opened = self._runtime.loop.create_future()
        self._messages.clear()
        self._error = ""
        if self._runtime.is_over:
            self._opened.set_result("the call is over")
            return Connecting(self._opened)
        self._number = self._sockets.add(self)
        self.state, self.subprotocol, self.buffered = "connecting", None, 0
        self._runtime.link.put_json(
            ops.SOCKET_OPEN,
            self._number,
            url=self._url,
            headers=self._headers,
            verify=self._verify,
            timeout=timeout,
        )
        return Connecting(self._opened)

    def send(self, data: str | bytes | bytearray | memoryview | dict[str, Any] | list[Any]) -> bool:
        """Send one message; False when the socket is not open. A dict or list goes as JSON text."""
        if isinstance(data, (dict, list)):
            data = _to_json(data)
        if isinstance(data, str):
            op, payload = ops.SEND_TEXT, data.encode()
        else:
            check("data", data, bytes, bytearray, memoryview, str, dict, type([]))
            op, payload = ops.SEND_BINARY, bytes(data)
        if self.state != "open":
            self._tell_once(f"send: the websocket is {self.state}, nothing was sent")
            return False
        if len(payload) > ops.MAX_MESSAGE:
            raise ValueError(f"data must not be longer than {ops.MAX_MESSAGE} bytes")
        self._runtime.link.put(op, self._number, payload)
        return True

    def close(self, code: int = 1000, reason: str = "") -> None:
        check("code", code, int)
        check("reason", reason, str)
        if not (code in (1000, 1001) or 3000 <= code <= 4999):
            raise ValueError(f"code must be 1000, 1001 or from 3000 to 4999, not {code}")
        text = reason.encode()
        if len(text) > 123:
            raise ValueError("reason must not be longer than 123 bytes")
        if self.state in ("connecting", "open"):
            self.state = "closing"
            self._runtime.link.put(ops.SOCKET_CLOSE, self._number, ops.CLOSE_HEAD.pack(code) + text)

    def __aiter__(self) -> Websocket:
        if self.state == "new":
            raise RuntimeError("the websocket has not been connected")
        return self

    async def __anext__(self) -> str | bytes:
        while not self._messages:
            if self.state == "closed":
                raise StopAsyncIteration
            if self._waiter is None or self._waiter.done():
                self._waiter = self._runtime.loop.create_future()
            await asyncio.shield(self._waiter)
        return self._messages.popleft()

    # What happened.

    def _socket_opened(self, subprotocol: str) -> None:
        if self.state == "connecting":
            self.state, self.subprotocol = "open", subprotocol or None
            self._set_opened("")
            self._emit("open")

    def _message_received(self, data: str | bytes) -> None:
        if "message" in self._handlers:
            self._emit("message", data)
        elif len(self._messages) < _KEPT_MESSAGES:
            self._messages.append(data)
            self._wake()
        else:
            self._tell_once(f"more than {_KEPT_MESSAGES} messages wait that nobody takes: dropped")

    def _failed(self, error: str) -> None:
        self._error = error
        self._emit("error", error)

    def _closed(self, code: int, reason: str) -> None:
        self.state = "closed"
        del self._sockets.live[self._number]
        self._set_opened(self._error or f"closed: {code} {reason}".rstrip())
        self._wake()
        self._emit("close", code, reason)

    def _set_opened(self, error: str) -> None:
        if self._opened is not None and not self._opened.done():
            self._opened.set_result(error)

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _tell_once(self, text: str) -> None:
        if text not in self._told:
            self._told.add(text)
            self._runtime.log(2, text)
