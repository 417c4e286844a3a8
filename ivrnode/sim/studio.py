"""The processes that a desk needs, for as many desks as come one after the other: script workers and speech.

They are real and take real time to start (about half a second), so a session of tests shares one studio.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, TypeVar

from ivrnode.net.scripts.workers import ScriptWorkers
from ivrnode.net.speech.service import Speech
from ivrnode.script.end import ScriptEnd
from ivrnode.script.limits import Limits
from ivrnode.script.messages import Action
from ivrnode.sim.network import Clock

T = TypeVar("T")
_START = 1000.0
_PATIENCE = 60.0  # real seconds: nobody waits on the line, and the machine may be slow


class ScriptWatcher(Protocol):
    """The desk that plays in the studio now."""

    def script_action(self, call: str, action: Action) -> None: ...

    def script_ended(self, call: str, end: ScriptEnd) -> None: ...


class Studio(AbstractContextManager["Studio"]):
    """`with Studio() as studio:`. It has an event loop of its own; `run` runs something in it."""

    def __init__(self, speech_cache: Path | None = None, *, is_unsafe: bool = False) -> None:
        self.clock = Clock(_START)
        self.desk: ScriptWatcher | None = None
        limits = Limits(ready_seconds=_PATIENCE)
        self.workers = ScriptWorkers(self, limits, is_unsafe=is_unsafe, pool=1, clock=lambda: self.clock.now)
        self.speech = Speech(speech_cache)
        # A factory keeps it out of the thread's own policy: tests around us may have loops, too.
        self._runner = asyncio.Runner(loop_factory=asyncio.new_event_loop)

    def __enter__(self) -> Studio:
        try:
            self.run(self._start())
        except BaseException:
            self._runner.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.run(self._stop())
        finally:
            self._runner.close()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self._runner.run(work)

    async def _start(self) -> None:
        await asyncio.gather(self.workers.start(), self.speech.start())

    async def _stop(self) -> None:
        await asyncio.gather(self.workers.close(), self.speech.close())

    # ScriptListener

    def script_action(self, call: str, action: Action) -> None:
        if self.desk is not None:
            self.desk.script_action(call, action)

    def script_ended(self, call: str, end: ScriptEnd) -> None:
        if self.desk is not None:
            self.desk.script_ended(call, end)
