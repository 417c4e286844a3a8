"""One heap of deadlines for everything that waits. No timer handle exists, so none can leak.

A deadline is never taken back: when it fires, its target looks at its own state, and does nothing if that has moved on.
"""

from __future__ import annotations

import heapq
from typing import Protocol


class Timed(Protocol):
    """What can wait for a deadline."""

    def timer_fired(self, timer: str, now: float) -> None: ...


class Deadlines:
    """Moments (monotonic seconds), each with a target and a timer's name. Equal moments fire in the order of entry."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Timed, str]] = []
        self._count = 0

    def add(self, when: float, target: Timed, timer: str) -> None:
        self._count += 1
        heapq.heappush(self._heap, (when, self._count, target, timer))

    def next(self) -> float | None:
        """The next moment at which `fire` has something to do, or None."""
        return self._heap[0][0] if self._heap else None

    def fire(self, now: float) -> None:
        """Call every target whose moment has come. What a target adds for `now` or earlier fires in the same round."""
        heap = self._heap
        while heap and heap[0][0] <= now:
            _, _, target, timer = heapq.heappop(heap)
            target.timer_fired(timer, now)
