"""The yardstick: a bare echo on `websockets`, no SIP, no RTP, no script. All other figures are divided by it.

    client, 20 connections ── JSON with 20 ms of G.711 in base64, 50 a second ──> server: parse, decode, encode, answer

What is measured is the server's CPU. Asyncio, no compression, no pings: the shortest program that does the job.

    python -m bench.baseline serve | python -m bench.baseline URL
"""

from __future__ import annotations

import asyncio
import base64
import json
import sys
import time
from contextlib import suppress

from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from bench.child import Child, say
from bench.cpu import cpu_seconds

CONNECTIONS = 20
FRAME = 0.02
SETTLE = 0.5


def measure(seconds: float) -> float:
    """CPU of the server in % of a core per connection."""
    with Child("bench.baseline", "serve") as server:
        url = server.answer(10)["url"]
        with Child("bench.baseline", url) as client:
            client.answer(10)
            time.sleep(SETTLE)
            began, before = time.monotonic(), cpu_seconds(server.pid)
            time.sleep(seconds)
            used = (cpu_seconds(server.pid) - before) / (time.monotonic() - began)
    return 100 * used / CONNECTIONS


async def echo(socket: ServerConnection) -> None:
    with suppress(ConnectionClosed):
        async for message in socket:
            audio = base64.b64decode(json.loads(message)["audio"])
            await socket.send(json.dumps({"type": "audio", "audio": base64.b64encode(audio).decode()}))


async def run_server() -> None:
    async with serve(echo, "127.0.0.1", 0, compression=None, ping_interval=None) as server:
        say(url=f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/")
        await asyncio.get_running_loop().create_future()


async def run_client(url: str) -> None:
    text = json.dumps({"type": "audio", "audio": base64.b64encode(bytes(range(160))).decode()})
    sockets = [await connect(url, compression=None, ping_interval=None, proxy=None) for _ in range(CONNECTIONS)]
    say(ready=True)
    await asyncio.gather(*(work for socket in sockets for work in (talk(socket, text), listen(socket))))


async def talk(socket: ClientConnection, text: str) -> None:
    due = time.monotonic()
    while True:
        await socket.send(text)
        due += FRAME
        await asyncio.sleep(max(0.0, due - time.monotonic()))


async def listen(socket: ClientConnection) -> None:
    async for _ in socket:
        pass


def main() -> None:
    asyncio.run(run_server() if sys.argv[1] == "serve" else run_client(sys.argv[1]))


if __name__ == "__main__":
    main()
