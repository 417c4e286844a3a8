"""A stage for one script: the real worker behind its real walls, and a hall that does what the test says.

The stage itself answers questions with the milliseconds of `answers` (else 0) and keeps the time that Wait asks for.
All else is up to the test: `send` an event, look at what came, wait `until` something did.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from ivrnode.net.scripts.workers import ScriptWorkers
from ivrnode.script import messages as m
from ivrnode.script.end import ScriptEnd
from ivrnode.script.limits import Limits
from patience import PATIENCE

FACTS = m.Facts(
    callid="c1f", lang="en", caller="+4930123", called="700", caller_name="Ada", tenant="acme.example", node="700",
    from_uri='"Ada" <sip:+4930123@acme.example>', to_uri="<sip:700@acme.example>",
)  # fmt: skip
Kind = TypeVar("Kind")


def patient(**limits: Any) -> Limits:
    """Limits as in service, but with time to get ready: the machine may be slow."""
    return Limits(**{"ready_seconds": PATIENCE} | limits)


class Script:
    """One running script and everything it has done."""

    def __init__(self, workers: ScriptWorkers, call: str) -> None:
        self.call = call
        self.actions: list[m.Action] = []
        self.end: ScriptEnd | None = None
        self.answers: dict[str, int] = {}
        self._workers = workers
        self._news = asyncio.Event()
        self._wake: asyncio.TimerHandle | None = None

    def send(self, *events: m.Event) -> None:
        for event in events:
            self._workers.send(self.call, event)

    def all(self, kind: type[Kind]) -> list[Kind]:
        return [action for action in self.actions if isinstance(action, kind)]

    @property
    def lines(self) -> list[str]:
        return [action.text for action in self.all(m.Log)]

    @property
    def failures(self) -> list[str]:
        return [action.text for action in self.all(m.Failed)]

    async def until(self, is_so: Callable[[], Any]) -> None:
        async with asyncio.timeout(PATIENCE):
            while not is_so():
                if self.end is not None:
                    raise AssertionError(f"ended before it was so: {self.end}, {self.actions}")
                self._news.clear()
                await self._news.wait()

    async def idle(self) -> m.Wait:
        """The script has dealt with everything that it was told before this."""
        seen = len(self.all(m.Wait))
        self.send(m.Wake())
        await self.until(lambda: len(self.all(m.Wait)) > seen)
        return self.all(m.Wait)[-1]

    async def hang_up(self, reason: str = "caller", grace: float = PATIENCE) -> ScriptEnd:
        self.send(m.HungUp(reason, grace))
        return await self.ended()

    async def ended(self) -> ScriptEnd:
        async with asyncio.timeout(PATIENCE):
            while self.end is None:
                self._news.clear()
                await self._news.wait()
        return self.end

    def _acted(self, action: m.Action) -> None:
        self.actions.append(action)
        if isinstance(action, m.Ask):
            self.send(m.Result(action.request, self.answers.get(action.what, 0)))
        elif isinstance(action, m.Wait):
            if self._wake is not None:
                self._wake.cancel()
            if action.seconds is not None:
                self._wake = asyncio.get_running_loop().call_later(action.seconds, self.send, m.Wake())
        self._news.set()

    def _ended(self, end: ScriptEnd) -> None:
        if self._wake is not None:
            self._wake.cancel()
        self.end = end
        self._news.set()


class Stage:
    """The workers, and the scripts that run in them."""

    def __init__(self, **options: Any) -> None:
        self.workers = ScriptWorkers(self, **{"limits": patient()} | options)
        self.scripts: dict[str, Script] = {}
        self.ended: list[str] = []

    def run(
        self,
        source: str,
        *,
        settings: Mapping[str, Any] | None = None,
        secrets: Mapping[str, str] | None = None,
        facts: m.Facts = FACTS,
    ) -> Script:
        return self.start(m.Boot(source, "ivrnode.py", facts, settings or {}, secrets or {}))

    def start(self, boot: m.Boot) -> Script:
        script = Script(self.workers, f"call-{len(self.scripts)}")
        self.scripts[script.call] = script
        self.workers.run(script.call, boot)
        return script

    async def play(self, source: str, **options: Any) -> Script:
        """Run it and wait until it has nothing to do for the first time."""
        script = self.run(source, **options)
        await script.until(lambda: script.all(m.Wait))
        worker = self.workers._calls.get(script.call)
        async with asyncio.timeout(PATIENCE):
            while worker is not None and not worker.pid:  # noqa: ASYNC110 - the zygote may tell it later than it speaks
                await asyncio.sleep(0)
        return script

    def script_action(self, call: str, action: m.Action) -> None:
        self.scripts[call]._acted(action)

    def script_ended(self, call: str, end: ScriptEnd) -> None:
        assert self.scripts[call].end is None, "ended twice"
        self.ended.append(call)
        self.scripts[call]._ended(end)


@asynccontextmanager
async def open_stage(**options: Any) -> AsyncIterator[Stage]:
    stage = Stage(**options)
    await stage.workers.start()
    try:
        yield stage
    finally:
        await stage.workers.close()
        assert all(script.end is not None for script in stage.scripts.values())
