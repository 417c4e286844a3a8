"""The workers that wait for a call.

A fork takes longer than a caller should notice when many come at once, so as many wait as were asked for at once
lately: at least `least`, at most four times that.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Generic, Protocol, TypeVar

_AT_ONCE = 0.25  # seconds within which calls come at once
_LATELY = 30.0  # seconds for which that counts
_MOST = 4  # times as many as the least


class Waiting(Protocol):
    @property
    def is_ready(self) -> bool: ...


W = TypeVar("W", bound=Waiting)


class Pool(Generic[W]):
    """`now`: seconds, monotonic. The owner adds workers while it is short of them."""

    def __init__(self, least: int) -> None:
        self._least = least
        self._waiting: deque[W] = deque()
        self._asked: deque[float] = deque()  # when, no longer ago than _AT_ONCE
        self._most_at_once = 0
        self._until = 0.0  # that counts

    def __len__(self) -> int:
        return len(self._waiting)

    def __iter__(self) -> Iterator[W]:
        return iter(self._waiting)

    def add(self, worker: W) -> None:
        self._waiting.append(worker)

    def pop(self) -> W:
        """The one that came last. IndexError: there is none."""
        return self._waiting.pop()

    def remove(self, worker: W) -> None:
        """ValueError: it is not here."""
        self._waiting.remove(worker)

    def take(self, now: float) -> W | None:
        """One that is ready, else one that soon will be. Counts as asked for also when there is none."""
        self._note(now)
        worker = next((one for one in self._waiting if one.is_ready), self._waiting[0] if self._waiting else None)
        if worker is not None:
            self._waiting.remove(worker)
        return worker

    def missing(self, now: float) -> int:
        """How many more there should be. Negative: so many fewer."""
        most = self._most_at_once if now < self._until else 0
        return min(max(self._least, most), _MOST * self._least) - len(self._waiting)

    def _note(self, now: float) -> None:
        asked = self._asked
        asked.append(now)
        while asked[0] < now - _AT_ONCE:
            asked.popleft()
        if len(asked) >= self._most_at_once or now >= self._until:
            self._most_at_once, self._until = len(asked), now + _LATELY
