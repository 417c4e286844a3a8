"""The one clock of all legs: turns of 10 ms, two to a frame of 20 ms, each with half of the legs.

    start   +10     +20     +30     +40     +50 ms
    ├───────┼───────┼───────┼───────┼───────┼──────
    slot 0  slot 1  slot 0  slot 1  slot 0  slot 1

A turn costs more by waking up than a leg does; but the last leg of a turn waits for all the others. No frame is later
for it: a leg takes and gives every 20 ms, however many turns there are.

Turn n is due at start + n x 10 ms, always counted from the start: a late turn does not delay the next one. What is up
to 60 ms late is caught up at once; of a longer delay the frames before that are skipped, so there is no endless burst.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import Protocol

TURN = 0.01
SLOTS = 2
FRAME_SECONDS = TURN * SLOTS
_CATCH_UP = 3  # frames
_BOUNDS_MS = (0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1, 1.5, 2, 3, 4, 5, 7.5, 10, 15, 20, 30, 50, 75, 100, 200, 500, 1000)


class Paced(Protocol):
    def tick(self, now: float) -> None:
        """20 ms have passed."""

    def skip(self, frames: int, now: float) -> None:
        """So many times 20 ms have passed unused."""


class Wheel:
    def __init__(self) -> None:
        self.lateness = Lateness()
        self._start = 0.0
        self._turn = 0
        self._slots: list[list[Paced]] = [[] for _ in range(SLOTS)]
        self._slot_of: dict[Paced, list[Paced]] = {}

    def __len__(self) -> int:
        return len(self._slot_of)

    def add(self, paced: Paced, now: float) -> None:
        if not self._slot_of:  # nothing was to be done: the clock stood still
            self._start, self._turn = now, 1
        slot = self._slot_of[paced] = min(self._slots, key=len)
        slot.append(paced)

    def remove(self, paced: Paced) -> None:
        self._slot_of.pop(paced).remove(paced)

    @property
    def next_turn(self) -> float | None:
        """When `turn` is to be called again; None: not at all."""
        return self._start + self._turn * TURN if self._slot_of else None

    def turn(self, now: float) -> None:
        """Tick what is due: one turn, so that the driver can look after packets between two late ones."""
        due = self.next_turn
        if due is None or due > now:
            return
        late = now - due
        self.lateness.add(late)
        frames = int(late / FRAME_SECONDS) - _CATCH_UP
        if frames > 0:
            self.lateness.skipped_frames += frames
            self._turn += frames * SLOTS
            for paced in self._slot_of:
                paced.skip(frames, now)
        for paced in self._slots[self._turn % SLOTS]:
            paced.tick(now)
        self._turn += 1


class Lateness:
    """How late the turns were, counted in classes; percentiles are given as their class's upper bound in ms."""

    def __init__(self) -> None:
        self.turns = 0
        self.skipped_frames = 0
        self.max_ms = 0.0
        self._counts = [0] * (len(_BOUNDS_MS) + 1)

    def add(self, late: float) -> None:
        ms = late * 1000
        self.turns += 1
        self.max_ms = max(self.max_ms, ms)
        self._counts[bisect_left(_BOUNDS_MS, ms)] += 1

    def percentile(self, share: float) -> float:
        """`share` 0.5 = median."""
        wanted = share * self.turns
        for bound, count in zip(_BOUNDS_MS, self._counts, strict=False):
            wanted -= count
            if wanted <= 0:
                return min(bound, self.max_ms)
        return self.max_ms
