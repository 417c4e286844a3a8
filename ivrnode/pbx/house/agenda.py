"""What is to happen when: one heap of deadlines for the whole hall, served by the core's tick.

A deadline has a key; setting it again moves it, None removes it. So no timer handle exists that could leak.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Hashable

Job = Callable[[float], None]
_STALE = 64  # entries of the heap that may be out of date, besides as many as there are jobs


class Agenda:
    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Hashable]] = []
        self._jobs: dict[Hashable, tuple[int, Job]] = {}
        self._count = 0

    def set(self, key: Hashable, at: float | None, job: Job | None = None) -> None:
        """Do `job(now)` at time `at` (seconds, monotonic). `at` None: forget what was set for this key."""
        if at is None or job is None:
            self._jobs.pop(key, None)
            return
        self._count += 1
        self._jobs[key] = (self._count, job)
        heapq.heappush(self._heap, (at, self._count, key))
        if len(self._heap) > 2 * len(self._jobs) + _STALE:
            self._heap = [entry for entry in self._heap if self._is_current(entry)]
            heapq.heapify(self._heap)

    def has(self, key: Hashable) -> bool:
        return key in self._jobs

    def tick(self, now: float) -> None:
        """Do what is due. A job may set deadlines; one that is due at once is done in this tick too."""
        while self._heap and self._heap[0][0] <= now:
            entry = heapq.heappop(self._heap)
            if self._is_current(entry):
                _, job = self._jobs.pop(entry[2])
                job(now)

    def next_deadline(self) -> float | None:
        while self._heap:
            if self._is_current(self._heap[0]):
                return self._heap[0][0]
            heapq.heappop(self._heap)
        return None

    def _is_current(self, entry: tuple[float, int, Hashable]) -> bool:
        """False for what was moved or taken back since."""
        job = self._jobs.get(entry[2])
        return job is not None and job[0] == entry[1]
