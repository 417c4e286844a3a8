"""A script on a simulated clock: its timers go by what it is told."""

from __future__ import annotations

import pytest

from ivrnode.script import messages as m
from script.stage import FACTS, Stage

pytestmark = pytest.mark.asyncio(loop_scope="module")
SOURCE = """
import time

began = time.monotonic()

def late():
    console.log("late by", time.monotonic() - began - 10)

setTimeout(late, 10_000)

def key(digit):
    setTimeout(lambda: console.log("3 s after the key"), 3_000)

call.dtmf(key)
"""


async def test_timers_go_by_the_simulated_clock(stage: Stage) -> None:
    script = stage.start(m.Boot(SOURCE, "ivrnode.py", FACTS, clock=1000.0))
    await script.until(lambda: script.all(m.Wait))
    assert script.all(m.Wait)[-1].seconds == 10.0
    script.send(m.Clock(1004.0), m.DigitPressed("1"))
    assert (await script.idle()).seconds == 3.0
    script.send(m.Clock(1007.0))
    assert (await script.idle()).seconds == 3.0
    assert script.lines == ["3 s after the key"]
    script.send(m.Clock(1010.0))
    assert (await script.idle()).seconds is None
    assert script.lines == ["3 s after the key", "late by 0.0"]


async def test_workers_are_idle_when_every_event_is_dealt_with(stage: Stage) -> None:
    assert stage.workers.is_idle
    script = stage.start(m.Boot("call.dtmf(print)", "ivrnode.py", FACTS))
    assert not stage.workers.is_idle
    await script.until(lambda: script.all(m.Wait))
    assert stage.workers.is_idle
    script.send(m.DigitPressed("1"))
    assert not stage.workers.is_idle
    await script.until(lambda: len(script.all(m.Wait)) == 2)
    assert stage.workers.is_idle
    script.send(m.HungUp("caller", 5.0))
    assert not stage.workers.is_idle
    await script.ended()
    assert stage.workers.is_idle
