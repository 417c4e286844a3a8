"""The default script keeps its rules: in the real worker, against the stand-in, under every fault that concerns it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import pytest_asyncio

from ivrnode.realtime import RealtimeServer, ToneVoice
from ivrnode.realtime.brain import Brain
from ivrnode.realtime.faults import Faults
from ivrnode.realtime.parrot import Parrot
from ivrnode.realtime.rules import Script
from realtime.strict import Judge
from scripts.hall import DEFAULT_SCRIPT, Line, Workers, workers

SORRY = "I am sorry, I cannot go on at the moment."
GOODBYE = "Goodbye."


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def pool() -> AsyncIterator[Workers]:
    async with workers() as pool:
        yield pool


pytestmark = pytest.mark.asyncio(loop_scope="module")


@asynccontextmanager
async def call(
    pool: Workers,
    *faults: str,
    rules: list[dict[str, Any]] | None = None,
    settings: dict[str, Any] | None = None,
    secret: str = "sk-placeholder",
    lang: str = "en",
    pace: float = 1000,
    strict: bool = True,
    ping_seconds: float | None = None,
    **waits: float,
) -> AsyncIterator[Line]:
    """The default script talks to a stand-in with these faults. `waits`: constants of the script, made shorter."""
    source = DEFAULT_SCRIPT.read_text("utf-8")
    for name, seconds in waits.items():
        line = next(line for line in source.splitlines() if line.startswith(f"{name} = "))
        source = source.replace(line, f"{name} = {seconds}")

    def brain() -> Brain:
        return Script.parse({"rule": rules}) if rules else Parrot()

    server = RealtimeServer(ToneVoice(), brain=brain, faults=Faults.parse(faults), pace=pace)
    async with server:
        secrets = {"openai": secret} if secret else {}
        own = {"url": server.url, **(settings or {})}
        async with pool.call(
            source, own, secrets=secrets, lang=lang, judge=Judge() if strict else None, ping_seconds=ping_seconds
        ) as line:
            yield line


async def test_a_conversation(pool: Workers) -> None:
    async with call(pool) as line:
        await line.until(lambda: line.is_streaming)
        assert line.said == ["Hello, you are talking to an AI assistant. How can I help you?"]
        assert not line.hangups and line.queued_ms > 0  # it did not wait for the greeting
        await line.speak()
        await line.until(lambda: line.got("response.done"))
        await line.until(lambda: line.queued_ms > 4000)
        print(line.log)
