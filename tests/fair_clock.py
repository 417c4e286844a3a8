"""The time that this process has had: a clock for whole calls on a machine that is slow, or stops now and then.

    waiting   for a socket or a timer: at SPEED times the real time, never longer than what was waited for
    waiting   while a script or the speech process is at work: at BUSY times the real time
    working   by the CPU time of this thread

So nobody else's work can make a packet late, and a call hears no gap but those that our own code makes: a callback that
computes for 100 ms is seen by every caller, a machine that stands still for a second by none.
"""

from __future__ import annotations

import asyncio
import selectors
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

SPEED = 10.0
BUSY = 0.2
_REAL = time.monotonic
_SHORTEST = 0.001  # that epoll can wait


class FairClock:
    """`is_busy` are asked before each wait: is there a process that this one waits for?"""

    _latest = 0.0  # of all clocks: the next one goes on from there

    def __init__(self) -> None:
        self.is_busy: list[Callable[[], bool]] = []
        self.speed = SPEED
        self._thread = time.pthread_getcpuclockid(threading.get_ident())  # whichever thread asks
        self._now, self._cpu = max(_REAL(), FairClock._latest), self._worked()

    def now(self) -> float:
        return self._now + self._worked() - self._cpu

    def select(self, selector: selectors.BaseSelector, timeout: float | None) -> list[Any]:
        """What is ready, after `timeout` seconds of this clock at most."""
        self._now, before = self.now(), _REAL()
        speed = BUSY if any(is_busy() for is_busy in self.is_busy) else self.speed
        ready = _select(selector, timeout if timeout is None else timeout / speed)
        waited = (_REAL() - before) * speed
        self._now += waited if timeout is None else min(waited, max(0.0, timeout))
        self._cpu = self._worked()
        FairClock._latest = self._now
        return ready

    def _worked(self) -> float:
        return time.clock_gettime(self._thread)


def _select(selector: selectors.BaseSelector, seconds: float | None) -> list[Any]:
    if seconds is None or seconds > _SHORTEST:
        return selector.select(seconds)
    ready = selector.select(0)
    if not ready and seconds > 0:
        time.sleep(seconds)
        ready = selector.select(0)
    return ready


class _Selector:
    """A loop's selector, whose waits the clock counts."""

    def __init__(self, selector: selectors.BaseSelector, clock: FairClock) -> None:
        self._selector, self._clock = selector, clock

    def select(self, timeout: float | None = None) -> list[Any]:
        return self._clock.select(self._selector, timeout)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._selector, name)


@contextmanager
def fair_time(loop: asyncio.AbstractEventLoop) -> Iterator[FairClock]:
    """`time.monotonic` and the timers of the running `loop` go by a new FairClock."""
    clock = FairClock()
    selector = loop._selector  # type: ignore[attr-defined]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(time, "monotonic", clock.now)
        patch.setattr(loop, "_selector", _Selector(selector, clock))
        yield clock
