"""setTimeout, setInterval and their ends. The waiting itself is done by the core."""

from __future__ import annotations

import asyncio

from ivrnode.script.guest.arguments import check_range
from ivrnode.script.guest.runtime import Handler, Runtime, adapt

_LONGEST = 86_400_000  # ms, a day
_SHORTEST_INTERVAL = 20  # ms
_MOST = 1000


class Timers:
    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._handles: dict[int, asyncio.TimerHandle] = {}
        self._last = 0

    def set_timeout(self, fn: Handler, ms: float = 0) -> int:
        """Run `fn()` once, `ms` milliseconds from now. Returns an id for clearTimeout."""
        check_range("ms", ms, 0, _LONGEST)
        return self._add(adapt(fn, 0), ms / 1000, None)

    def set_interval(self, fn: Handler, ms: float) -> int:
        """Run `fn()` every `ms` milliseconds. A late run shifts none and does not make the next ones pile up."""
        check_range("ms", ms, _SHORTEST_INTERVAL, _LONGEST)
        return self._add(adapt(fn, 0), ms / 1000, ms / 1000)

    def clear(self, id: object = None) -> None:
        handle = self._handles.pop(id, None) if isinstance(id, int) else None
        if handle is not None:
            handle.cancel()

    def clear_all(self) -> None:
        for number in list(self._handles):
            self.clear(number)

    def _add(self, fn: Handler, delay: float, interval: float | None) -> int:
        if len(self._handles) >= _MOST:
            raise RuntimeError(f"a call has {_MOST} timers at most")
        self._last += 1
        self._schedule(self._last, fn, self._runtime.loop.time() + delay, interval)
        return self._last

    def _schedule(self, number: int, fn: Handler, when: float, interval: float | None) -> None:
        self._handles[number] = self._runtime.loop.call_at(when, self._due, number, fn, when, interval)

    def _due(self, number: int, fn: Handler, when: float, interval: float | None) -> None:
        if interval is None:
            del self._handles[number]
        else:
            late = max(0.0, self._runtime.loop.time() - when)
            self._schedule(number, fn, when + interval * (1 + late // interval), interval)
        self._runtime.run(fn)
