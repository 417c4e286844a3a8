"""What bad neighbours can do to a script: take CPU from it, and no more. Workers that starved would be seen here: one
whose nice value is above the spinners' gets its turn tens of milliseconds later."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest

from ivrnode.script import messages as m
from ivrnode.script.end import ScriptEnd
from patience import PATIENCE
from script.processes import Noise, until
from script.stage import Script, Stage, open_stage

HONEST, PER_SECOND, SECONDS = 30, 50, 3.0
MOMENTS = 10  # of each 20 ms: not all calls are heard at once
QUIET = 0.15  # cores that others may use; above it times say nothing about us
ADDED = 0.010  # seconds that spinners and floods may cost, at the median: one pause of the machine is in every p99
# Stays within every limit, so nobody kills it: 200 ms of CPU in each event, for ever.
SPINNER = """
import time
def spin():
    end = time.process_time() + 0.2
    while time.process_time() < end: pass
    setTimeout(spin, 0)
setTimeout(spin, 0)
"""
FLOODS = (
    "while True: console.log('x' * 8000)",
    "while True: call.play(codec='g711_ulaw', audio=b'x')",
    "while True: call.mute()",
    "import asyncio\nos = asyncio.sys.modules['os']\nwhile True: os.write(3, bytes(9))",
    "while True: pass",
    "data = []\nwhile True: data.append(bytes(1 << 20))",
)
ANSWER = """
ws = Websocket("ws://h")
ws.on("message", lambda text: ws.send(text))
ws.connect()
"""
FILLING = "x" * 590


class Paced(Stage):
    """Scripts that get a numbered message every 20 ms, each at its own moment, and give it back; how long that took."""

    def __init__(self, **options: object) -> None:
        super().__init__(**options)
        self.sent: dict[str, list[float]] = {}
        self.took: list[float] = []
        self.back: dict[str, int] = {}

    async def invite(self) -> None:
        script = await self.play(ANSWER)
        script.send(m.SocketOpened(1, ""))
        self.sent[script.call], self.back[script.call] = [], 0

    async def pace(self, seconds: float) -> list[float]:
        """Seconds that each message took, sorted. AssertionError: one was lost, or came out of order."""
        loop = asyncio.get_running_loop()
        begin, self.took = loop.time(), []
        turns = int(seconds * PER_SECOND) * MOMENTS
        calls = list(self.sent)
        for turn in range(turns):
            await asyncio.sleep(begin + turn / PER_SECOND / MOMENTS - loop.time())
            for call in calls[turn % MOMENTS :: MOMENTS]:
                sent = self.sent[call]
                sent.append(time.monotonic())
                self.workers.send(call, m.SocketMessage(1, f"{len(sent) - 1:010}{FILLING}"))
        async with asyncio.timeout(PATIENCE):
            while any(self.back[call] < len(sent) for call, sent in self.sent.items()):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        return sorted(self.took)

    def script_action(self, call: str, action: m.Action) -> None:
        if isinstance(action, m.SendSocket):
            number = self.back[call]
            assert action.data[:10] == f"{number:010}", "lost or out of order"
            self.took.append(time.monotonic() - self.sent[call][number])
            self.back[call] += 1
        else:
            super().script_action(call, action)

    def script_ended(self, call: str, end: ScriptEnd) -> None:
        assert call not in self.back or end.text == "shutdown", end
        super().script_ended(call, end)


@asynccontextmanager
async def bad_company(stage: Stage, spinners: int) -> AsyncIterator[list[Script]]:
    """So many spinners, and each flood again as soon as it is dead, but not more often than four times a second."""
    spinning = [stage.run(SPINNER) for _ in range(spinners)]
    dead: list[Script] = []

    async def flood(source: str) -> None:
        while True:
            script = stage.run(source)
            await asyncio.gather(script.ended() if "data" not in source else _given_up(stage, script), _pause())
            dead.append(script)

    floods = [asyncio.create_task(flood(source)) for source in FLOODS]
    try:
        yield dead
    finally:
        for task in floods:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        assert not [script.end for script in spinning if script.end]


async def _pause() -> None:
    await asyncio.sleep(0.25)


async def _given_up(stage: Stage, script: Script) -> None:
    """It has hit the wall of its memory: an exception, or its end."""
    with suppress(AssertionError):
        await script.until(lambda: script.failures)
    stage.workers.kill(script.call, "seen")
    await script.ended()


@pytest.mark.slow
async def test_spinners_and_floods_cost_their_neighbours_no_message() -> None:
    stage = Paced()
    await stage.workers.start()
    try:
        for _ in range(HONEST):
            await stage.invite()
        noise = Noise()
        alone = await stage.pace(1.0)
        async with bad_company(stage, 8) as dead:
            beside = await stage.pace(SECONDS)
            others = noise.cores()
            await until(lambda: len({script.end.text for script in dead if script.end}) >= 4)
        assert len(beside) == HONEST * PER_SECOND * SECONDS
    finally:
        await stage.workers.close()
    before, after = (took[len(took) // 2] for took in (alone, beside))
    if others > QUIET:
        pytest.skip(f"no message was lost; others use {others:.1f} cores, too much to judge {after * 1000:.0f} ms")
    assert after - before < ADDED


@pytest.mark.slow
async def test_a_busy_machine_kills_no_honest_script() -> None:
    """It is CPU that counts: 200 ms of it are 200 ms, however long they take."""
    async with open_stage() as stage:
        honest = await stage.play("""
import time
def work():
    end = time.process_time() + 0.2
    while time.process_time() < end: pass
    print("done")
call.dtmf(work)
""")
        async with bad_company(stage, 4 * (os.cpu_count() or 1)):
            begin = time.monotonic()
            honest.send(m.DigitPressed("1"))
            await honest.until(lambda: honest.lines)
            took = time.monotonic() - begin
        assert honest.lines == ["done"]
        assert took > 0.3, "not as busy as it should be"
