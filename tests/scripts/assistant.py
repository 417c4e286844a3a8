"""A call to the default script: what it is told and what it does, in the words of its tests."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from ivrnode.realtime import RealtimeServer, ToneVoice
from ivrnode.realtime.brain import Brain
from ivrnode.realtime.faults import Faults
from ivrnode.realtime.parrot import Parrot
from ivrnode.realtime.rules import Script
from realtime.strict import Judge
from scripts.hall import DEFAULT_SCRIPT, Line, Workers

SORRY = "I am sorry, I cannot go on at the moment."
GOODBYE = "Goodbye."
READY_SECONDS, ANSWER_SECONDS, EXPIRY_SECONDS = 10, 15, 30  # the script's own


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
    old_names: bool = False,
    brain: Callable[[], Brain] | None = None,
    addition: str = "",
    **constants: float,
) -> AsyncIterator[Line]:
    """The default script talks to a stand-in with these faults.

    `constants`: other constants of the script; `addition`: code between its tools and what comes next.
    """
    source = DEFAULT_SCRIPT.read_text("utf-8")
    for name, seconds in constants.items():
        line = next(line for line in source.splitlines() if line.startswith(f"{name} = "))
        source = source.replace(line, f"{name} = {seconds}")

    source = source.replace("# Silence: ask once", addition + "# Silence: ask once")

    def new_brain() -> Brain:
        return Script.parse({"rule": rules}) if rules else Parrot()

    server = RealtimeServer(ToneVoice(), brain=brain or new_brain, faults=Faults.parse(faults), pace=pace)
    async with server:
        secrets = {"openai": secret} if secret else {}
        own = {"url": server.url, **(settings or {})}
        async with pool.call(source, own, secrets=secrets, lang=lang, judge=Judge(is_strict=strict)) as line:
            line.ping_seconds, line.has_old_names = ping_seconds, old_names
            yield line


async def ready(line: Line) -> None:
    """The service has taken the settings, and the greeting was heard."""
    await line.until(lambda: line.is_streaming, "a stream")
    line.hear_all()


async def answered(line: Line, count: int = 1) -> None:
    """The service has ended its answer, and the script has played all of it."""
    await line.until(lambda: len(line.got("response.done")) == count, "an answer")
    await line.until(lambda: len(line.played) == len(line.got("response.output_audio.delta")), "its sound")


async def unanswered(line: Line, turn: int) -> None:
    """The caller's turn is over, and for so long as the script waits nothing comes. (A failure may have come.)"""
    await line.until(lambda: len(line.got("input_audio_buffer.speech_stopped")) == turn, "the end of the turn")
    line.passes(ANSWER_SECONDS)


def carried(line: Line) -> list[tuple[str, str]]:
    """Who said what, as the new session was told."""
    items = [event["item"] for event in line.sent("conversation.item.create")]
    return [(item["role"], item["content"][0]["text"]) for item in items]


async def renewed(line: Line, sessions: int = 2) -> None:
    await line.until(lambda: len(line.got("session.updated")) == sessions, "a new session")
    await line.until(lambda: line.is_streaming, "a stream")


TRANSFER = {"say": "One moment.", "call": "transfer", "arguments": {"target": "sales"}}
WITH_TARGETS = {"targets": {"sales": "120", "support": "121"}, "fallback": "100"}


def to(dest: str) -> dict[str, object]:
    return {"dest": dest, "drain": True, "timeout": 30}
