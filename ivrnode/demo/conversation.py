"""The caller of the demo: listens to the greeting, asks, hears the answer, interrupts it, hears the next one, hangs up.

    heard  ──greeting──            ──answer 1──┐cut            ──answer 2──
    said                ──question──       ──interruption──                 hangs up

`Report` judges by the two sound tracks alone: what was really heard, and when.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from ivrnode.audio.wav import interleave, write_wav
from ivrnode.demo.ear import RATE, Ear, Stretch
from ivrnode.log import Log
from ivrnode.net.phone import Phone

PATIENCE = 20.0
BARGE_IN_AFTER_MS = 2000
BARGE_IN_LIMIT_MS = 1000
TURN_LIMIT_MS = 3000

Say = Callable[[str], None]
T = TypeVar("T")


@dataclass(slots=True)
class Check:
    what: str
    is_good: bool
    detail: str


@dataclass(slots=True)
class Report:
    checks: list[Check] = field(default_factory=list)
    heard: list[Stretch] = field(default_factory=list)
    said: list[Stretch] = field(default_factory=list)

    @property
    def is_good(self) -> bool:
        return bool(self.checks) and all(check.is_good for check in self.checks)

    def add(self, what: str, is_good: bool, detail: str) -> None:
        self.checks.append(Check(what, is_good, detail))


class Conversation:
    """One call from dial to hang-up. `question` and `interruption`: pcm16 and its rate; `tell` gets progress lines;
    `patience` in seconds is for each step."""

    def __init__(
        self,
        question: tuple[bytes, int],
        interruption: tuple[bytes, int],
        log: Log,
        tell: Say,
        patience: float = PATIENCE,
    ) -> None:
        self._question, self._interruption, self._patience = question, interruption, patience
        self._log, self._tell = log, tell
        self._heard, self._said = bytearray(), bytearray()
        self._caller, self._node = Ear(), Ear()
        self.report = Report()

    async def hold(self, target: str) -> Report:
        """Call `target` and talk. A step that does not come in time ends the call; the report says which."""
        async with Phone(self._log, self._sound, user="demo") as phone:
            self._tell(f"phone: dialling {target}")
            await phone.dial(target)
            self._tell("phone: answered")
            try:
                await self._talk(phone)
            except TimeoutError:
                self.report.add("conversation", False, f"nothing more was heard at {self._node.now_ms / 1000:.1f} s")
            phone.hangup()
            self._tell("phone: hung up")
        self.report.heard, self.report.said = self._node.stretches(gap_ms=800), self._caller.stretches()
        return self.report

    def save(self, path: Path) -> None:
        """Stereo: caller left, node right."""
        length = min(len(self._heard), len(self._said))
        write_wav(path, interleave(bytes(self._said[:length]), bytes(self._heard[:length])), RATE, channels=2)

    async def _talk(self, phone: Phone) -> None:
        start = await self._wait(self._node.sound_after(0))
        self._tell("node: greets the caller")
        end = await self._wait(self._node.quiet_for(800))
        self._tell("node: listens")
        self.report.add("greeting heard", end - start > 500, f"{(end - start) / 1000:.1f} s, from {start} ms on")
        answer = await self._ask(phone, self._question, "asks")
        await self._wait(self._node.reach(answer + BARGE_IN_AFTER_MS))
        await self._interrupt(phone)
        end = await self._wait(self._node.quiet_for(1200))
        self._tell(f"node: has ended at {end / 1000:.1f} s of the call")

    async def _ask(self, phone: Phone, what: tuple[bytes, int], verb: str) -> int:
        self._tell(f"caller: {verb}")
        await self._wait(phone.play(*what))
        asked = await self._wait(self._caller.quiet_for(300))
        answer = await self._wait(self._node.sound_after(asked))
        self._turn(answer - asked)
        self.report.add("answer heard", answer - asked < TURN_LIMIT_MS, f"{answer - asked} ms after the question")
        return answer

    async def _interrupt(self, phone: Phone) -> None:
        self._tell("caller: interrupts")
        before = self._caller.now_ms
        await self._wait(phone.play(*self._interruption))
        started = next(stretch.start_ms for stretch in self._caller.stretches() if stretch.end_ms > before)
        ended = await self._wait(self._caller.quiet_for(300))
        answer = await self._wait(self._node.sound_after(ended))
        stopped = max(stretch.end_ms for stretch in self._node.stretches() if stretch.start_ms < started)
        self._tell(f"node: had fallen silent {stopped - started} ms after the caller began")
        self.report.add(
            "silent after the interruption",
            stopped - started < BARGE_IN_LIMIT_MS and stopped < ended,
            f"{stopped - started} ms after the caller began to speak",
        )
        self._turn(answer - ended)
        self.report.add("second answer heard", answer - ended < TURN_LIMIT_MS, f"{answer - ended} ms after the caller")

    def _turn(self, latency_ms: int) -> None:
        self._tell(f"node: answers, {latency_ms} ms after the caller's last word")

    async def _wait(self, what: Awaitable[T]) -> T:
        return await asyncio.wait_for(what, self._patience)

    def _sound(self, heard: bytes, said: bytes) -> None:
        self._heard += heard
        self._said += said
        self._node.feed(heard)
        self._caller.feed(said)
