"""The media process leaves the end to the core, also when a supervisor signals all of us at once."""

from __future__ import annotations

import asyncio
import os
import signal

import pytest

from ivrnode.media.messages import Event, Open, Opened
from ivrnode.net.media.port import ProcessMedia
from patience import PATIENCE


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_it_outlives_what_ends_the_core(number: signal.Signals) -> None:
    opened = asyncio.Event()
    deaths: list[str] = []

    def told(event: Event) -> None:
        if isinstance(event, Opened):
            opened.set()

    media = ProcessMedia(told, on_death=deaths.append)
    await media.start()
    first = media.pid
    assert first is not None
    os.kill(first, number)
    media.send(Open(1, "127.0.0.1"))
    async with asyncio.timeout(PATIENCE):
        await opened.wait()
    assert media.pid == first and not deaths
    await media.close()
