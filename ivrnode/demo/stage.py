"""The stage of the demo: the stand-in service and the core, each a child process, on free ports of the loopback."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from ivrnode.errors import IvrNodeError
from ivrnode.net.child import command, import_path

READY_SECONDS = 20.0
STOP_SECONDS = 10.0
PLAY = Path(__file__).with_name("play.toml")

Tell = Callable[[str], None]


class StageError(IvrNodeError):
    """A child process did not come up; the text holds what it said last."""


class Stage:
    """`async with Stage(tenants, folder, tell) as stage`: the node answers at `stage.host`. Lines go to `tell`."""

    def __init__(self, tenants: Path, folder: Path, tell: Tell) -> None:
        self._tenants, self._folder, self._tell = tenants, folder, tell
        self._children: list[Child] = []
        self.host = ""

    async def __aenter__(self) -> Stage:
        try:
            await self._set()
        except BaseException:
            await self._strike()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._strike()

    async def _set(self) -> None:
        service = await self._start(
            "service", r"listening on (ws://\S+)", "realtime", "--port", "0", "--rules", str(PLAY)
        )
        config = self._folder / "ivrnode.toml"
        config.write_text(self._config(service), "utf-8")
        self.host = await self._start("core", r"listens on .*udp:(127\.0\.0\.1:\d+)", "serve", "--config", str(config))

    def _config(self, service: str) -> str:
        address = service.removeprefix("ws://").partition("/")[0]
        return f"""\
tenants = "{self._tenants}"

[sip]
listen = ["udp:127.0.0.1:0", "tcp:127.0.0.1:0"]

[media]
ports = [0, 0]

[control]
socket = "{self._folder / "control"}"

[scripts]
connect_to = ["{address}"]

[settings]
url = "{service}"

[secrets.openai]
value = "demo-key-of-the-stand-in"
hosts = ["127.0.0.1"]

[log.levels]
SCRIPT = 6
WEBCLIENT = 5
APP = 6
"""

    async def _start(self, name: str, ready: str, *arguments: str) -> str:
        child = await Child.start(name, self._tell, *arguments)
        self._children.append(child)
        return await child.wait_for(ready)

    async def _strike(self) -> None:
        for child in reversed(self._children):
            await child.stop()


@dataclass(slots=True)
class Child:
    """One `ivrnode` command as a child process, its lines read as they come."""

    name: str
    process: asyncio.subprocess.Process
    tell: Tell
    lines: list[str]
    news: asyncio.Event
    reader: asyncio.Task[None] | None = None

    @classmethod
    async def start(cls, name: str, tell: Tell, *arguments: str) -> Child:
        process = await asyncio.create_subprocess_exec(
            *command("ivrnode"),
            *arguments,
            env={**os.environ, "PYTHONPATH": import_path()},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            stdin=asyncio.subprocess.DEVNULL,
        )
        child = cls(name, process, tell, [], asyncio.Event())
        child.reader = asyncio.create_task(child._read())
        return child

    async def wait_for(self, pattern: str) -> str:
        """The first group of the first line that holds `pattern`. Raises StageError if none comes in 20 s."""
        try:
            async with asyncio.timeout(READY_SECONDS):
                while True:
                    for line in self.lines:
                        if found := re.search(pattern, line):
                            return found[1]
                    if self.process.returncode is not None:
                        break
                    self.news.clear()
                    await self.news.wait()
        except TimeoutError:
            pass
        raise StageError(f"{self.name} did not start: " + ("\n".join(self.lines[-10:]) or "it said nothing"))

    async def stop(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self.process.terminate()
        try:
            await asyncio.wait_for(self.process.wait(), STOP_SECONDS)
        except TimeoutError:
            self.process.kill()
            await self.process.wait()
        if self.reader is not None:
            await self.reader

    async def _read(self) -> None:
        assert self.process.stdout is not None
        while line := await self.process.stdout.readline():
            text = line.decode("utf-8", "replace").rstrip()
            self.lines.append(text)
            self.news.set()
            self.tell(f"{self.name}: {text}")
        await self.process.wait()
        self.news.set()
