"""Locks after wrong answers: so many within a minute lock a key for a while, each time for twice as long."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from ivrnode.pbx.house.bounded import Bounded

WINDOW = 60.0
"""Seconds within which wrong answers count together."""
LONGEST = 86_400.0
FORGIVEN_AFTER = 86_400.0
"""So long after its end a lock no longer makes the next one longer."""


@dataclass(slots=True)
class _Lock:
    until: float
    seconds: float


class Lockout:
    """Keys are any texts: a source, an account as one source sees it. `most`: how many are remembered."""

    def __init__(self, wrong_answers: int, seconds: float, most: int) -> None:
        """`seconds`: the first lock of a key."""
        self._wrong_answers, self._seconds = wrong_answers, seconds
        self._failures: Bounded[deque[float]] = Bounded(most)
        self._locks: Bounded[_Lock] = Bounded(most)

    def __bool__(self) -> bool:
        """Whether anything may be locked."""
        return len(self._locks) > 0

    def is_locked(self, key: str, now: float) -> bool:
        lock = self._locks.get(key)
        return lock is not None and now < lock.until

    def failed(self, key: str, now: float) -> bool:
        """Count a wrong answer. Whether there were too many within the window."""
        times = self._failures.use(key, lambda: deque(maxlen=self._wrong_answers))
        times.append(now)
        return len(times) == self._wrong_answers and now - times[0] <= WINDOW

    def lock(self, key: str, now: float) -> float:
        """Lock `key`; for how many seconds. 0: it is locked already."""
        before = self._locks.get(key)
        if before is not None and now < before.until:
            return 0.0
        is_forgiven = before is None or now > before.until + FORGIVEN_AFTER
        seconds = self._seconds if is_forgiven or before is None else min(2 * before.seconds, LONGEST)
        self._locks.put(key, _Lock(now + seconds, seconds))
        self._failures.drop(key)
        return seconds
