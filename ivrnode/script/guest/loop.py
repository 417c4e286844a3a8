"""asyncio without a selector: the loop waits by reading descriptor 3.

    _run_once ──> select(timeout) ──> acknowledge what is done, tell how long we can wait ──> read ──> dispatch ─┐
        ^                                                                                                        │
        └────────────── a callback is ready, or there are timers to look at ─────────────────────────────────────┘

A plain handler runs inside `select`: an audio chunk costs no turn of the loop. Timers are kept in the core: WAIT says
how long, WAKE ends it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, NoReturn

from ivrnode.script.guest.link import Link

_MANY = 100  # timers from which on BaseEventLoop throws away cancelled ones that are not the next to run


class ScriptLoop(asyncio.BaseEventLoop):
    """`handlers[op](id, payload)` gets each event; `before_wait`, if there is one, runs each time that nothing is left
    to do.

    `tasks` holds all that are not done: asyncio itself would let a task go that nobody else refers to.
    """

    _ready: Any  # of BaseEventLoop
    _scheduled: Any

    def __init__(self, link: Link, handlers: Mapping[int, Callable[[int, bytes], None]]) -> None:
        super().__init__()
        self.before_wait: Callable[[], None] | None = None
        self.tasks: set[asyncio.Task[Any]] = set()
        self._link, self._handlers = link, handlers
        self._selector = self

    def select(self, timeout: float | None) -> tuple[()]:
        """What BaseEventLoop asks its selector: wait until there is something to run."""
        if timeout is not None and timeout <= 0:
            return ()
        while True:
            if self.before_wait is not None:
                self.before_wait()
            self._link.acknowledge(timeout, len(self.tasks))
            op, number, payload = self._link.next()
            self._handlers[op](number, payload)
            first = self._scheduled[0] if self._scheduled else None
            if self._ready or len(self._scheduled) > _MANY or (first is not None and first.cancelled()):
                return ()  # for the turn of BaseEventLoop: it runs what is ready, throws away what was cancelled
            timeout = None if first is None else first.when() - self.time()
            if timeout is not None and timeout <= 0:
                return ()

    def set_clock(self, seconds: float) -> None:
        """From here on time is what the core says it is, until it says so again: a simulation."""
        time.monotonic = lambda: seconds  # asyncio looks it up each time

    def create_task(self, coro: Coroutine[Any, Any, Any], **options: Any) -> asyncio.Task[Any]:  # type: ignore[override]
        task = super().create_task(coro, **options)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        return task

    def run_in_executor(self, *_: Any, **__: Any) -> NoReturn:  # type: ignore[override]
        raise RuntimeError("a script has no threads and no sockets")

    create_connection = create_server = create_datagram_endpoint = run_in_executor

    def _process_events(self, event_list: object) -> None:
        pass  # `select` has dealt with them

    def _write_to_self(self) -> None:
        pass  # there is no other thread to be woken by
