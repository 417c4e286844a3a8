"""Scripts behind their real walls, and how long they take to say something: the listener of the workers."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from bench.cpu import cpu_seconds, memory_mb
from ivrnode.net.scripts.workers import ScriptWorkers
from ivrnode.script.end import ScriptEnd
from ivrnode.script.limits import Limits
from ivrnode.script.messages import Action, Boot, Event, Facts, Failed, SendSocket, SocketMessage, SocketOpened, Wait

ECHO = """
ws = Websocket("ws://host.invalid")
ws.on("message", lambda text: ws.send(text.encode()))
ws.connect()
"""
FILLING = "x" * 590  # with the number before it 600 characters
PATIENCE = 60.0


@dataclass(slots=True)
class Script:
    """One call. `sent`: when each message left, `back`: how many have come back. `death`: what it died of."""

    call: str
    began: float
    took_ms: float = 0.0  # to its first action
    ended: float = 0.0
    death: str = ""
    failure: str = ""
    sent: list[float] = field(default_factory=list)
    back: int = 0
    idle: asyncio.Event = field(default_factory=asyncio.Event)


class Stage:
    def __init__(self, limits: Limits | None = None) -> None:
        self.workers = ScriptWorkers(self, limits or Limits())
        self.scripts: dict[str, Script] = {}
        self.round_trips_ms: list[float] = []
        self._last = 0

    def run(self, source: str, filename: str = "bench.py", settings: Mapping[str, Any] | None = None) -> Script:
        self._last += 1
        script = Script(str(self._last), time.monotonic())
        self.scripts[script.call] = script
        facts = Facts(script.call, "en", "", "700", "", "localhost", "700")
        self.workers.run(script.call, Boot(source, filename, facts, settings or {}, {"openai": "~bench~"}))
        return script

    async def play(self, source: str, *more: Any) -> Script:
        """Until it is idle for the first time."""
        script = self.run(source, *more)
        await self.until_idle(script)
        return script

    async def play_echo(self) -> Script:
        """It gives back, as bytes, each text that `message` sends it."""
        script = await self.play(ECHO)
        await self.tell(script, SocketOpened(1, ""))
        return script

    async def tell(self, script: Script, *events: Event) -> None:
        """Until it is idle again."""
        script.idle.clear()
        for event in events:
            self.workers.send(script.call, event)
        await self.until_idle(script)

    async def until_idle(self, script: Script) -> None:
        """Or dead, which `ended` tells. RuntimeError: it has failed, and what it costs says nothing."""
        await asyncio.wait_for(script.idle.wait(), PATIENCE)
        if script.failure:
            raise RuntimeError(script.failure)

    def message(self, script: Script) -> None:
        text = f"{len(script.sent):010}{FILLING}"
        script.sent.append(time.monotonic())
        self.workers.send(script.call, SocketMessage(1, text))

    def end(self, script: Script) -> None:
        self.workers.kill(script.call, "")

    def cpu_seconds(self) -> float:
        """Of the scripts that live."""
        return sum(cpu_seconds(pid) for pid in self._pids())

    def memory_mb(self) -> list[float]:
        """PSS of each script; empty where we may not look."""
        return [size for size in map(memory_mb, self._pids()) if size is not None]

    def _pids(self) -> list[int]:
        return [worker.pid for worker in self.workers._calls.values() if worker.pid]

    def script_action(self, call: str, action: Action) -> None:
        script, now = self.scripts[call], time.monotonic()
        script.took_ms = script.took_ms or (now - script.began) * 1000
        if type(action) is SendSocket:
            if script.back < len(script.sent):
                self.round_trips_ms.append((now - script.sent[script.back]) * 1000)
            script.back += 1
        elif type(action) is Wait:
            script.idle.set()
        elif type(action) is Failed:
            script.failure = action.text

    def script_ended(self, call: str, end: ScriptEnd) -> None:
        script = self.scripts[call]
        script.ended, script.death = time.monotonic(), end.text
        script.idle.set()


@asynccontextmanager
async def open_stage(limits: Limits | None = None) -> AsyncIterator[Stage]:
    stage = Stage(limits)
    await stage.workers.start()
    try:
        yield stage
    finally:
        await stage.workers.close()
