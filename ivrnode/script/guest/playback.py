"""One piece of sound on its way to the caller."""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from typing import Any

from ivrnode.script import ops
from ivrnode.script.guest.emitter import Emitter
from ivrnode.script.guest.runtime import Runtime


class Playback(Emitter):
    """What `call.say` and `call.play` return. `await` gives it back when it is done; it never raises."""

    _events = {"done": 1}

    # Of the class until they change: a call makes several in a second, and nobody looks at most of them.
    done = stopped = False
    error: str | None = None
    _played_ms = 0
    _is_expected = False
    _waiters: tuple[asyncio.Future[None], ...] = ()

    def __init__(self, runtime: Runtime, item: int) -> None:
        super().__init__(runtime)
        self._item = item

    @property
    def played_ms(self) -> int:
        return self._played_ms if self.done else self._runtime.link.ask("item", str(self._item))

    @property
    def queued_ms(self) -> int:
        return 0 if self.done else self._runtime.link.ask("item_queued", str(self._item))

    def stop(self) -> int:
        """Drop this item alone; returns the milliseconds dropped."""
        return 0 if self.done else self._runtime.link.ask("stop", str(self._item))

    def __await__(self) -> Generator[Any, None, Playback]:
        if not self.done:
            self._expect()
            waiter = self._runtime.loop.create_future()
            self._waiters += (waiter,)
            yield from waiter
        return self

    def _handler_added(self, name: str) -> None:
        if self.done:  # it missed its event: told all the same, once
            self._runtime.loop.call_soon(self._runtime.run, self._handlers[name].pop(), self)
        else:
            self._expect()

    def _expect(self) -> None:
        """Somebody waits for its end: the core is to tell at once, not when there is other news as well."""
        if not self._is_expected:
            self._is_expected = True
            self._runtime.link.put(ops.AWAIT, self._item)

    def _end(self, played_ms: int, is_stopped: bool, error: str) -> None:
        self.done, self.stopped, self.error = True, is_stopped, error or None
        self._played_ms = played_ms
        self._emit("done", self)
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)
        self._waiters = ()
        self._handlers.clear()
