"""What scripts cost, one measurement in a process of its own, which says its figures: see `scripts.py`.

python -m bench.script_costs NAME [ARGUMENT ...]
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from bench.child import say
from bench.script_stage import Script, Stage, open_stage
from ivrnode.script.limits import Limits
from ivrnode.script.messages import AudioHeard, DigitPressed, SocketMessage, SocketOpened
from ivrnode.tenancy.declared import declared_settings
from ivrnode.tenancy.templates import DEFAULT_TEMPLATE

Figures = dict[str, Any]
SMALL = 'call.stream(codec="g711_ulaw", callback=lambda audio: None)\n'
BETWEEN, AT_ONCE = 0.05, 6  # seconds between starts; starts in one go
PER_SECOND, MOMENTS = 50, 10  # messages of a script; moments of each 20 ms, so that not all speak at once
# Stays within every limit, so nobody kills it: 200 ms of CPU in each event, for ever.
SPINNER = """
import time
def spin():
    end = time.process_time() + 0.2
    while time.process_time() < end: pass
    setTimeout(spin, 0)
setTimeout(spin, 0)
"""
HANGING = "def hang():\n    while True: pass\ncall.dtmf(hang)\n"
CHUNK = b"\xff" * 480
BUSY = Limits(frames_rate=100_000, bytes_rate=1 << 30)  # of scripts that get more than any call could bring


async def starts(alive: int, count: int) -> Figures:
    """Milliseconds from `run` to the first action, beside others: one by one, and six in one go."""
    async with open_stage() as stage:
        for _ in range(alive):
            await stage.play(SMALL)
        single, together = [], []
        for _ in range(count):
            await asyncio.sleep(BETWEEN)
            script = await stage.play(SMALL)
            single.append(script.took_ms)
            stage.end(script)
        for _ in range(count // AT_ONCE):
            await asyncio.sleep(BETWEEN)
            scripts = [stage.run(SMALL) for _ in range(AT_ONCE)]
            for script in scripts:
                await stage.until_idle(script)
                together.append(script.took_ms)
                stage.end(script)
    return {"single": single, "together": together}


async def load(scripts: int, seconds: float) -> Figures:
    """Each gets 50 texts of 600 characters a second and gives back bytes."""
    async with open_stage() as stage:
        echoes = [await stage.play_echo() for _ in range(scripts)]
        return await _paced(stage, echoes, seconds)


async def neighbours(scripts: int, spinners: int, seconds: float) -> Figures:
    """The same beside scripts that spin."""
    async with open_stage() as stage:
        echoes = [await stage.play_echo() for _ in range(scripts)]
        for _ in range(spinners):
            stage.run(SPINNER)
        return await _paced(stage, echoes, seconds)


async def _paced(stage: Stage, echoes: list[Script], seconds: float) -> Figures:
    loop = asyncio.get_running_loop()
    begin, ours, theirs = loop.time(), time.process_time(), stage.cpu_seconds()
    for turn in range(int(seconds * PER_SECOND) * MOMENTS):
        await asyncio.sleep(begin + turn / PER_SECOND / MOMENTS - loop.time())
        for script in echoes[turn % MOMENTS :: MOMENTS]:
            stage.message(script)
    took = loop.time() - begin
    core, workers = (time.process_time() - ours) / took, (stage.cpu_seconds() - theirs) / took
    late = loop.time() + 10
    while any(script.back < len(script.sent) for script in echoes) and loop.time() < late:  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    lost = sum(len(script.sent) - script.back for script in echoes)
    return {"round_trips": stage.round_trips_ms, "core": 100 * core, "scripts": 100 * workers, "lost": lost}


async def border(count: int) -> Figures:
    """Round trips of one script, one after the other."""
    async with open_stage(BUSY) as stage:
        script = await stage.play_echo()
        for _ in range(count):
            script.idle.clear()
            stage.message(script)
            await stage.until_idle(script)
        return {"round_trips": stage.round_trips_ms}


async def death(count: int) -> Figures:
    """Milliseconds from a key press to the end of a script that hangs over it."""
    async with open_stage() as stage:
        took = []
        for _ in range(count):
            script = await stage.play(HANGING)
            began = time.monotonic()
            await stage.tell(script, DigitPressed("1"))
            if "CPU" not in script.death:
                raise RuntimeError(f"it died of something else: {script.death}")
            took.append((script.ended - began) * 1000)
        return {"death": took}


async def memory(scripts: int) -> Figures:
    """PSS of each, in MB: a script of one line that hears ten chunks, and the default script in an answer."""
    figures = {}
    text, filename = DEFAULT_TEMPLATE.read_text("utf-8"), str(DEFAULT_TEMPLATE)
    settings = {name: setting.default for name, setting in declared_settings(text).items() if name != "openai"}
    for name, script in (("small", (SMALL,)), ("default", (text, filename, settings))):
        async with open_stage() as stage:
            for _ in range(scripts):
                await _talk(stage, await stage.play(*script), is_answered=name == "default")
            figures[name] = stage.memory_mb()
    return figures


async def _talk(stage: Stage, script: Script, is_answered: bool) -> None:
    if is_answered:
        await stage.tell(script, SocketOpened(1, ""))
        for kind in ("session.created", "session.updated"):
            await stage.tell(script, SocketMessage(1, json.dumps({"type": kind, "session": {"expires_at": 0}})))
    for _ in range(10):
        await stage.tell(script, AudioHeard(CHUNK, 1))
        if is_answered:
            delta = {"type": "response.output_audio.delta", "item_id": "item", "delta": "/" * 640}
            await stage.tell(script, SocketMessage(1, json.dumps(delta)))


async def growth(events: int) -> Figures:
    """MB that a script's PSS has grown by, from the tenth part of its events to the last."""
    async with open_stage(BUSY) as stage:
        script = await stage.play(SMALL)
        sizes = []
        for _ in range(max(10, events // 100)):
            await stage.tell(script, *[AudioHeard(CHUNK, 1)] * 100)
            sizes += stage.memory_mb()
        return {"growth": sizes[-1] - sizes[len(sizes) // 10] if sizes else None}


async def simulation(seconds: float) -> Figures:
    """Seconds that `ivrnode script run` takes for a call of so many."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        script = Path(folder) / "ivrnode.py"
        script.write_text('call.say("Hello.")\n' + SMALL, "utf-8")
        began = time.monotonic()
        command = (sys.executable, "-m", "ivrnode", "script", "run", str(script), "--for", str(seconds))
        process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.DEVNULL)
        if await process.wait():
            raise RuntimeError("the script failed")
        return {"took": time.monotonic() - began}


MEASUREMENTS: dict[str, Callable[..., Coroutine[Any, Any, Figures]]] = {
    one.__name__: one for one in (starts, load, border, neighbours, death, memory, growth, simulation)
}


def main() -> None:
    name, *arguments = sys.argv[1:]
    say(**asyncio.run(MEASUREMENTS[name](*map(int, arguments))))


if __name__ == "__main__":
    main()
