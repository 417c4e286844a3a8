"""The speech service of a benchmark: Realtime's words, without ears and voice.

    ?way=echo    every chunk of the caller comes back at once
    ?way=probe   a burst of sound, 0.6 s later `speech_started` (the caller interrupts), and again after 0.4 s

Marked frames (marks.py) tell how long the caller's sound took to get here; the first frame of a burst carries the
moment it was sent, and the moment of the interruption before. Orders: `reset`, `report`.
"""

from __future__ import annotations

import asyncio
import base64
import json
import random
import sys
import time
from contextlib import suppress

from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from bench.child import Orders, say
from bench.marks import FROM_CALLER, FROM_SERVICE, SOUND, marked, moments
from ivrnode.realtime.echo import Echo

SESSION_SECONDS = 3600
BURST_FRAMES = 250
TALKS, PAUSES = 0.6, 0.4
_AUDIO = '"audio":"'


class Peer:
    def __init__(self) -> None:
        self._latencies: list[float] = []
        self._chunks = 0

    async def serve(self, socket: ServerConnection) -> None:
        assert socket.request is not None
        echo = Echo("bench", int(time.time()) + SESSION_SECONDS)
        is_probe = "way=probe" in socket.request.path
        with suppress(ConnectionClosed):
            await socket.send(echo.hello())
            bursts = asyncio.create_task(self._burst(socket)) if is_probe else None
            try:
                await self._answer(socket, echo, is_probe)
            finally:
                if bursts is not None:
                    bursts.cancel()

    def order(self, order: dict[str, str]) -> None:
        if order["order"] == "report":
            say(latencies=self._latencies, chunks=self._chunks)
        self._latencies, self._chunks = [], 0

    async def _answer(self, socket: ServerConnection, echo: Echo, is_probe: bool) -> None:
        async for message in socket:
            text = str(message)
            if _AUDIO in text:
                self._hear(text, time.monotonic())
                if is_probe:
                    continue
            reply = echo.reply(text)
            if reply is not None:
                await socket.send(reply)

    def _hear(self, text: str, now: float) -> None:
        self._chunks += 1
        start = text.index(_AUDIO) + len(_AUDIO)
        found = moments(FROM_CALLER, base64.b64decode(text[start : text.index('"', start)]))
        if found is not None:
            self._latencies.append((now - found[0]) * 1000)

    async def _burst(self, socket: ServerConnection) -> None:
        """Never in step with the chunks of the call or with other calls."""
        interrupted, number = 0.0, 0
        with suppress(ConnectionClosed):
            while True:
                await asyncio.sleep(PAUSES + random.uniform(0, 0.06))
                number += 1
                sound = marked(FROM_SERVICE, time.monotonic(), interrupted) + SOUND * (BURST_FRAMES - 1)
                item = {"item_id": f"item_{number}", "delta": base64.b64encode(sound).decode()}
                await socket.send(json.dumps({"type": "response.output_audio.delta", **item}))
                await asyncio.sleep(TALKS + random.uniform(0, 0.06))
                interrupted = time.monotonic()
                await socket.send('{"type":"input_audio_buffer.speech_started","audio_start_ms":0}')


async def run() -> None:
    peer, orders = Peer(), Orders()

    def ordered() -> None:
        for order in orders.read():
            peer.order(order)

    async with serve(peer.serve, "127.0.0.1", 0, compression=None, ping_interval=None) as server:
        asyncio.get_running_loop().add_reader(orders.fileno(), ordered)
        say(url=f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1/realtime")
        await asyncio.get_running_loop().create_future()


if __name__ == "__main__":
    sys.exit(asyncio.run(run()))
