"""CPU of one outgoing WebSocket message: ours (net/outbound) against the asyncio client of `websockets`.

    python -m bench.websocket_client [connections] [seconds]

Sent: a 60 ms audio frame as JSON text (~700 bytes). Received: a 250 ms audio delta (~2.8 KB). The peer is another
process; only this one is measured. Each way sends its messages from one wheel, 20 ms a turn, as calls would: every
connection has a frame to send every 60 ms, a third of them in each turn. The idle wheel's CPU is taken off.
"""

from __future__ import annotations

import asyncio
import logging
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Protocol

from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.server import ServerConnection, broadcast, serve
from websockets.protocol import State
from websockets.version import version

from ivrnode.net.outbound.policy import OutboundPolicy
from ivrnode.net.outbound.websocket_clients import Key, WebsocketClients

FRAME = '{"type":"input_audio_buffer.append","audio":"' + "A" * 640 + '"}'
DELTA = '{"type":"response.output_audio.delta","item_id":"item_1","delta":"' + "A" * 2668 + '"}'
TURN, TURNS_PER_FRAME, TURNS_PER_DELTA = 0.02, 3, 12


class Way(Protocol):
    """One way to hold many connections."""

    received: int

    async def start(self, url: str, connections: int) -> None: ...
    async def send(self, connection: int, text: str) -> None: ...
    async def stop(self) -> None: ...


class Ours:
    def __init__(self) -> None:
        self.received = 0
        self.waiting = 0
        self.all_opened = asyncio.Event()
        self.clients = WebsocketClients(OutboundPolicy(["127.0.0.0/8"]), self)

    async def start(self, url: str, connections: int) -> None:
        self.waiting = connections
        for connection in range(connections):
            self.clients.open((str(connection), 1), url, (), True, 10.0)
        await self.all_opened.wait()

    async def send(self, connection: int, text: str) -> None:
        self.clients.send((str(connection), 1), text)

    async def stop(self) -> None:
        await self.clients.stop()

    def socket_opened(self, key: Key, subprotocol: str) -> None:
        self.waiting -= 1
        if not self.waiting:
            self.all_opened.set()

    def socket_message(self, key: Key, data: str | bytes) -> None:
        self.received += 1

    def socket_sent(self, key: Key, buffered: int) -> None: ...
    def socket_failed(self, key: Key, error: str) -> None: ...
    def socket_closed(self, key: Key, code: int, reason: str) -> None: ...
    def socket_headers_dropped(self, key: Key, names: tuple[str, ...]) -> None: ...


class Library:
    """The asyncio client of `websockets`: a reading task per connection, one sender for all."""

    def __init__(self) -> None:
        self.received = 0
        self.connections: list[ClientConnection] = []
        self.readers: list[asyncio.Task[None]] = []

    async def start(self, url: str, connections: int) -> None:
        for _ in range(connections):
            connection = await connect(url, compression=None, proxy=None)
            self.connections.append(connection)
            self.readers.append(asyncio.create_task(self._read(connection)))

    async def _read(self, connection: ClientConnection) -> None:
        async for _ in connection:
            self.received += 1

    async def send(self, connection: int, text: str) -> None:
        await self.connections[connection].send(text)

    async def stop(self) -> None:
        for connection in self.connections:
            await connection.close()
        await asyncio.gather(*self.readers)


async def peer() -> None:
    """Take everything; every 240 ms send a delta on each connection that asked for them by its first message."""

    async def handle(connection: ServerConnection) -> None:
        async for message in connection:
            if message == "deltas":
                subscribed.append(connection)
            elif message == "quiet":
                subscribed.remove(connection)

    logging.getLogger("websockets").setLevel(logging.CRITICAL)  # the end without a close frame is no error here
    subscribed: list[ServerConnection] = []
    async with serve(handle, "127.0.0.1", 0, compression=None, ping_interval=None) as server:
        print(server.sockets[0].getsockname()[1], flush=True)
        turn = 0
        while True:
            turn += 1
            ready = [each for each in subscribed if each.state is State.OPEN]
            broadcast(ready[turn % TURNS_PER_DELTA :: TURNS_PER_DELTA], DELTA)
            await asyncio.sleep(TURN)


async def wheel(seconds: float, turn: Callable[[int], Awaitable[None]]) -> float:
    """CPU seconds of this process while `turn` runs every 20 ms."""
    began, cpu = time.monotonic(), time.process_time()
    for number in range(int(seconds / TURN)):
        await turn(number)
        await asyncio.sleep(max(0.0, began + (number + 1) * TURN - time.monotonic()))
    return time.process_time() - cpu


async def measure(kind: Callable[[], Way], url: str, connections: int, seconds: float) -> tuple[float, float]:
    """CPU microseconds of one message sent, of one received."""

    sent = 0

    async def idle(turn: int) -> None: ...

    async def send(turn: int) -> None:
        nonlocal sent
        for connection in range(turn % TURNS_PER_FRAME, connections, TURNS_PER_FRAME):
            await way.send(connection, FRAME)
            sent += 1

    way = kind()
    await way.start(url, connections)
    base = await wheel(seconds, idle)
    sending = await wheel(seconds, send) - base
    for connection in range(connections):
        await way.send(connection, "deltas")
    await asyncio.sleep(0.5)
    before = way.received
    receiving = await wheel(seconds, idle) - base
    received = way.received - before
    for connection in range(connections):
        await way.send(connection, "quiet")
    await way.stop()
    return 1e6 * sending / sent, 1e6 * receiving / received


def main() -> None:
    connections = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    seconds = float(sys.argv[2]) if len(sys.argv) > 2 else 10.0
    other = subprocess.Popen(
        [sys.executable, "-m", "bench.websocket_client", "peer"], stdout=subprocess.PIPE, text=True
    )
    try:
        assert other.stdout is not None
        url = f"ws://127.0.0.1:{int(other.stdout.readline())}/"
        print(f"websockets {version}, {connections} connections, CPU us per message (sent, received)")
        for _ in range(3):
            for way in (Ours, Library):
                sent, received = asyncio.run(measure(way, url, connections, seconds))
                print(f"{way.__name__:8} {sent:6.1f} {received:6.1f}", flush=True)
    finally:
        other.terminate()
        other.wait()


if __name__ == "__main__":
    if sys.argv[1:] == ["peer"]:
        asyncio.run(peer())
    else:
        main()
