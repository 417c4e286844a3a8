"""When was there sound? A timeline of 20 ms frames over one side of a call, by level alone. The audio is the clock."""

from __future__ import annotations

import asyncio
from array import array
from dataclasses import dataclass

RATE = 8000
FRAME_MS = 20
FRAME = RATE * FRAME_MS // 1000
LOUD = 250
GAP_MS = 400


@dataclass(frozen=True, slots=True)
class Stretch:
    """A stretch of sound: from the first loud frame to the end of the last one, in ms since the call was answered."""

    start_ms: int
    end_ms: int


class Ear:
    """Fed with pcm16 at 8000 Hz as it comes; knows what was heard so far and lets others wait for what comes."""

    def __init__(self) -> None:
        self._rest = array("h")
        self._loud: list[bool] = []
        self._news = asyncio.Event()

    @property
    def now_ms(self) -> int:
        return len(self._loud) * FRAME_MS

    def feed(self, pcm: bytes) -> None:
        self._rest.frombytes(pcm)
        while len(self._rest) >= FRAME:
            frame, self._rest = self._rest[:FRAME], self._rest[FRAME:]
            self._loud.append(sum(map(abs, frame)) / FRAME > LOUD)
        self._news.set()

    def stretches(self, *, gap_ms: int = GAP_MS) -> list[Stretch]:
        """Sound, with pauses of up to `gap_ms` (between words) counted in. A single loud frame is a click, no sound."""
        found: list[Stretch] = []
        for index, is_loud in enumerate(self._loud):
            start = index * FRAME_MS
            if not is_loud:
                continue
            if found and start - found[-1].end_ms <= gap_ms:
                found[-1] = Stretch(found[-1].start_ms, start + FRAME_MS)
            else:
                found.append(Stretch(start, start + FRAME_MS))
        return [stretch for stretch in found if stretch.end_ms - stretch.start_ms > FRAME_MS]

    async def sound_after(self, start_ms: int) -> int:
        """Wait for sound that begins at or after `start_ms`; when it began."""
        while True:
            for stretch in self.stretches():
                if stretch.start_ms >= start_ms:
                    return stretch.start_ms
            await self._more()

    async def quiet_for(self, quiet_ms: int) -> int:
        """Wait until nothing was loud for `quiet_ms`; when the last sound ended."""
        while True:
            end = max((stretch.end_ms for stretch in self.stretches()), default=0)
            if self.now_ms - end >= quiet_ms:
                return end
            await self._more()

    async def reach(self, at_ms: int) -> None:
        """Wait until the timeline has come to `at_ms`."""
        while self.now_ms < at_ms:
            await self._more()

    async def _more(self) -> None:
        self._news.clear()
        await self._news.wait()
