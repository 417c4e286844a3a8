"""The house under test, and who calls it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from fair_clock import fair_time
from ivrnode.config import Config
from ivrnode.demo.ear import Ear
from ivrnode.log import Entry, Log
from ivrnode.net.phone import Phone
from ivrnode.net.runtime import Runtime
from patience import PATIENCE
from sound import decibels, tone_level

SECTIONS = {
    "[sip]": '[sip]\nlisten = ["udp:127.0.0.1:0", "tcp:127.0.0.1:0"]\n',
    "[media]": "[media]\nports = [0, 0]\nin_process = true\n",
    "[speech]": "[speech]\ncache_mb = 0\n",
    "[log.levels]": "[log.levels]\nSCRIPT = 6\nWEBCLIENT = 9\nMEDIA = 6\nAPP = 6\n",
}


class House:
    """A core in this process, on free ports of the loopback; `lines` is all it wrote, secrets masked.

    While it is open, the loop goes by `clock`.
    """

    def __init__(self, folder: Path, *, scripts: Mapping[str, str], config: str = "", tenant: str = "") -> None:
        self.folder = folder
        self.lines: list[Entry] = []
        self._news = asyncio.Event()
        self._write(
            "tenants/localhost/tenant.toml", f'access = "public"\nmax_calls = 100\n{tenant}\n' + _nodes(scripts)
        )
        for extension, text in scripts.items():
            self.write_script(extension, text)
        self._write(
            "ivrnode.toml",
            "".join(text for section, text in SECTIONS.items() if section not in config) + config,
        )
        log = Log()
        log.add_sink(self._written)
        loaded = Config.load(folder / "ivrnode.toml", environ={})
        loaded.set_up(log)
        self._config, self.log = loaded, log

    async def __aenter__(self) -> Self:
        with ExitStack() as stack:
            self.clock = stack.enter_context(fair_time(asyncio.get_running_loop()))
            self.runtime = Runtime(self._config, self.log)
            world = self.runtime.world
            self.clock.is_busy += [lambda: not world._workers.is_idle, lambda: bool(world._jobs)]
            if not self._config.media.in_process:  # its clock is the machine's
                self.clock.speed = 1.0
            await self.runtime.__aenter__()
            self._time = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._time:
            await self.runtime.__aexit__(kind, error, trace)
        assert not [entry.text for entry in self.lines if entry.text.startswith("internal error")]

    def uri(self, extension: str, transport: str = "udp") -> str:
        port = next(port for name, _, port in self.runtime.listening if name == transport)
        return f"sip:{extension}@127.0.0.1:{port}" + (";transport=tcp" if transport == "tcp" else "")

    def write_script(self, extension: str, text: str) -> None:
        self._write(f"tenants/localhost/nodes/{extension}/ivrnode.py", text)

    async def wrote(self, text: str, *, category: str = "") -> Entry:
        """Wait for a log entry that holds `text`."""
        async with asyncio.timeout(PATIENCE):
            while True:
                for entry in self.lines:
                    if text in entry.text and category in ("", entry.category):
                        return entry
                self._news.clear()
                await self._news.wait()

    def _write(self, name: str, text: str) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")

    def _written(self, entry: Entry) -> None:
        self.lines.append(entry)
        self._news.set()


class Caller:
    """A phone with a memory: `heard` (pcm16 at 8000 Hz) since the answer, and an ear that waits for sound."""

    def __init__(self, **arguments: object) -> None:
        self.heard, self.ear = bytearray(), Ear()
        self.phone = Phone(Log(), self._sound, **arguments)  # type: ignore[arg-type]

    async def __aenter__(self) -> Self:
        await self.phone.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.phone.__aexit__(kind, error, trace)

    async def dial(self, uri: str) -> None:
        async with asyncio.timeout(PATIENCE):
            await self.phone.dial(uri)

    async def left(self) -> str:
        """Wait until the far end has hung up; why."""
        return await asyncio.wait_for(asyncio.shield(self.phone.ended), PATIENCE)

    async def sound(self, after_ms: int = 0) -> int:
        return await asyncio.wait_for(self.ear.sound_after(after_ms), PATIENCE)

    async def quiet(self, quiet_ms: int = 500) -> int:
        return await asyncio.wait_for(self.ear.quiet_for(quiet_ms), PATIENCE)

    async def reach(self, at_ms: int) -> None:
        await asyncio.wait_for(self.ear.reach(at_ms), PATIENCE)

    def check_tone(self, start_ms: int, end_ms: int, level: float = 8000, most_decibels: float = 3) -> None:
        """Each 20 ms must hold a tone of 1000 Hz at `level`: no gap, no frame twice, none at the wrong time."""
        heard = self.between(start_ms, end_ms)
        assert len(heard) >= 16 * 900
        frames = [heard[start : start + 320] for start in range(0, len(heard) - 320, 320)]
        levels = [decibels(tone_level(frame, 1000, 8000) / level) for frame in frames]
        gaps = [start_ms + 20 * index for index, level in enumerate(levels) if abs(level) > most_decibels]
        assert not gaps, f"at {gaps} ms"

    def between(self, start_ms: int, end_ms: int) -> bytes:
        return bytes(self.heard[start_ms * 16 : end_ms * 16])

    def _sound(self, heard: bytes, said: bytes) -> None:
        self.heard += heard
        self.ear.feed(heard)


def _nodes(scripts: Mapping[str, str]) -> str:
    return "".join(f"[nodes.{extension}]\n" for extension in scripts)


def echo(codec: str = "g711_ulaw", rate: int = 8000) -> str:
    """A script that gives back what it hears, 300 ms later."""
    return f"""
held = []

def heard(audio):
    held.append(audio)
    if len(held) == 5:
        call.play(codec={codec!r}, rate={rate}, audio=b"".join(held))
    elif len(held) > 5:
        call.play(codec={codec!r}, rate={rate}, audio=audio)

call.stream(codec={codec!r}, rate={rate}, interval=0.06, callback=heard)
"""
