"""Where the WebSockets of a script go: nowhere, to the stand-in (`service.py`), or to a real server.

A real server lives in real time: while a socket to it is open, so does the desk.
"""

from __future__ import annotations

from typing import Protocol
from urllib.parse import urlsplit, urlunsplit

from ivrnode.net.outbound.policy import OutboundPolicy
from ivrnode.net.outbound.websocket_clients import Key, SocketListener, WebsocketClients
from ivrnode.script.messages import OpenSocket

NO_SERVICE = "there is no service in this run: name one (--against, ivr.service())"


class SocketDoor(Protocol):
    """What comes of it goes to a `SocketListener`, never from within these methods."""

    @property
    def is_live(self) -> bool:
        """True while real time must pass."""

    @property
    def has_news(self) -> bool:
        """True when `tick` has something to tell at once."""

    def open(self, key: Key, request: OpenSocket) -> None: ...

    def send(self, key: Key, data: str | bytes) -> None: ...

    def close(self, key: Key, code: int, reason: str) -> None: ...

    def tick(self, now: float) -> None:
        """20 ms have passed."""

    async def stop(self) -> None: ...


class LiveSockets:
    """Every socket goes to `url`: its scheme, host, port and path; path and query of the script's URL where it has
    none."""

    def __init__(self, url: str, listener: SocketListener) -> None:
        self._target = urlsplit(url)
        port = self._target.port or (443 if self._target.scheme == "wss" else 80)
        host = self._target.hostname or ""
        self._clients = WebsocketClients(
            OutboundPolicy([f"[{host}]:{port}" if ":" in host else f"{host}:{port}"]), self
        )
        self._listener = listener
        self._open: set[Key] = set()

    has_news = False

    @property
    def is_live(self) -> bool:
        return bool(self._open)

    def open(self, key: Key, request: OpenSocket) -> None:
        asked = urlsplit(request.url)
        path = self._target.path if self._target.path not in ("", "/") else asked.path
        url = urlunsplit((self._target.scheme, self._target.netloc, path, self._target.query or asked.query, ""))
        self._open.add(key)
        self._clients.open(key, url, request.headers, request.verify, request.timeout)

    def send(self, key: Key, data: str | bytes) -> None:
        self._clients.send(key, data)

    def close(self, key: Key, code: int, reason: str) -> None:
        self._clients.close(key, code, reason)

    def tick(self, now: float) -> None:
        self._clients.tick()

    async def stop(self) -> None:
        await self._clients.stop()

    # SocketListener

    def socket_opened(self, key: Key, subprotocol: str) -> None:
        self._listener.socket_opened(key, subprotocol)

    def socket_message(self, key: Key, data: str | bytes) -> None:
        self._listener.socket_message(key, data)

    def socket_sent(self, key: Key, buffered: int) -> None:
        self._listener.socket_sent(key, buffered)

    def socket_failed(self, key: Key, error: str) -> None:
        self._listener.socket_failed(key, error)

    def socket_closed(self, key: Key, code: int, reason: str) -> None:
        self._open.discard(key)
        self._listener.socket_closed(key, code, reason)

    def socket_headers_dropped(self, key: Key, names: tuple[str, ...]) -> None:
        self._listener.socket_headers_dropped(key, names)


class NoSockets:
    """Every socket fails and says why."""

    is_live = False

    def __init__(self, listener: SocketListener) -> None:
        self._listener = listener
        self._refused: list[Key] = []

    @property
    def has_news(self) -> bool:
        return bool(self._refused)

    def open(self, key: Key, request: OpenSocket) -> None:
        self._refused.append(key)

    def send(self, key: Key, data: str | bytes) -> None:
        pass

    def close(self, key: Key, code: int, reason: str) -> None:
        pass

    def tick(self, now: float) -> None:
        refused, self._refused = self._refused, []
        for key in refused:
            self._listener.socket_failed(key, NO_SERVICE)
            self._listener.socket_closed(key, 1006, "")

    async def stop(self) -> None:
        pass
