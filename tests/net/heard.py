"""What a test hears of its sockets, in order; and a clock that stands still until it is moved."""

from __future__ import annotations

import asyncio
from typing import Any

from ivrnode.net.outbound.websocket_clients import Key
from patience import PATIENCE


class Heard:
    """A SocketListener that keeps everything as (event, key, facts...), the event without its `socket_`."""

    def __init__(self) -> None:
        self.waiting: asyncio.Queue[tuple[Any, ...]] = asyncio.Queue()

    async def next(self) -> tuple[Any, ...]:
        return await asyncio.wait_for(self.waiting.get(), PATIENCE)

    async def until(self, event: str) -> tuple[Any, ...]:
        """The next entry of that kind; those before it are dropped."""
        while (heard := await self.next())[0] != event:
            pass
        return heard

    def rest(self) -> list[tuple[Any, ...]]:
        return [self.waiting.get_nowait() for _ in range(self.waiting.qsize())]

    def socket_opened(self, key: Key, subprotocol: str) -> None:
        self.waiting.put_nowait(("opened", key, subprotocol))

    def socket_message(self, key: Key, data: str | bytes) -> None:
        self.waiting.put_nowait(("message", key, data))

    def socket_sent(self, key: Key, buffered: int) -> None:
        self.waiting.put_nowait(("sent", key, buffered))

    def socket_failed(self, key: Key, error: str) -> None:
        self.waiting.put_nowait(("failed", key, error))

    def socket_closed(self, key: Key, code: int, reason: str) -> None:
        self.waiting.put_nowait(("closed", key, code, reason))

    def socket_headers_dropped(self, key: Key, names: tuple[str, ...]) -> None:
        self.waiting.put_nowait(("headers_dropped", key, names))


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now
