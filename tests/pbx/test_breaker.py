"""The circuit breaker on virtual time, alone and in calls."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from world import World

from ivrnode.pbx.house.breaker import KILLS, PAUSE, TRIAL, WINDOW, Breaker
from ivrnode.pbx.operations import call_operations
from ivrnode.script import messages as script
from ivrnode.script.messages import Boot, Facts

if TYPE_CHECKING:
    from recording_desk import Desk


def boot(source: str = "while True: pass", node: str = "700") -> Boot:
    return Boot(source, "ivrnode.py", Facts("1", "en", "", "", "", "a", node))


@pytest.fixture
def breaker() -> Breaker:
    """Open since 0."""
    breaker = Breaker()
    assert [breaker.killed("a", boot(), 0.0) for _ in range(KILLS)] == [False] * (KILLS - 1) + [True]
    return breaker


def test_open_for_ten_minutes_for_this_tenant(breaker: Breaker) -> None:
    assert breaker.seconds_open("a", boot(), 1.0) == PAUSE - 1
    assert breaker.seconds_open("a", boot(node="701"), 1.0) == PAUSE - 1
    assert breaker.seconds_open("b", boot(), 1.0) == 0


def test_kills_that_are_long_ago_do_not_count() -> None:
    breaker = Breaker()
    assert not any(breaker.killed("a", boot(), at * WINDOW / (KILLS - 1)) for at in range(20))
    assert breaker.seconds_open("a", boot(), 20 * WINDOW) == 0


def test_one_call_tries_and_closes_it(breaker: Breaker) -> None:
    assert breaker.seconds_open("a", boot(), PAUSE) == 0
    assert breaker.seconds_open("a", boot(), PAUSE + 1) > 0, "one call"
    breaker.ended_well("a", PAUSE + 2)
    assert breaker.seconds_open("a", boot(), PAUSE + 3) == 0
    assert not breaker.killed("a", boot(), PAUSE + 4), "it counts from zero again"


def test_a_trial_that_is_killed_opens_it_again(breaker: Breaker) -> None:
    assert breaker.seconds_open("a", boot(), PAUSE) == 0
    assert breaker.killed("a", boot(), PAUSE + 1)
    assert breaker.seconds_open("a", boot(), PAUSE + 2) == PAUSE - 1


def test_a_trial_that_lasts_lets_another_one_try(breaker: Breaker) -> None:
    assert breaker.seconds_open("a", boot(), PAUSE) == 0
    assert breaker.seconds_open("a", boot(), PAUSE + TRIAL) == 0


def test_calls_from_before_change_nothing(breaker: Breaker) -> None:
    breaker.ended_well("a", 5.0)
    assert not breaker.killed("a", boot(), 6.0)
    assert breaker.seconds_open("a", boot(), 7.0) == PAUSE - 7


def test_a_new_save_closes_it(breaker: Breaker) -> None:
    assert breaker.seconds_open("a", boot("call.hangup()"), 1.0) == 0
    assert breaker.seconds_open("a", boot(), 2.0) == 0


def test_the_operator_closes_it(breaker: Breaker) -> None:
    assert breaker.reset("a")
    assert not breaker.reset("a")
    assert breaker.seconds_open("a", boot(), 1.0) == 0


# In calls.


@pytest.fixture
def world(tmp_path: Path, desk: Desk) -> World:
    return World(tmp_path, desk)


def one_call(world: World, desk: Desk, *, is_killed: bool) -> bool:
    """One call from its beginning to its end. Whether a script was started for it."""
    started = len(desk.scripts)
    world.call()
    is_started = len(desk.scripts) > started
    if is_started:
        if not is_killed:
            world.act(script.Hangup())
        world.script_ends("killed" if is_killed else "finished", "CPU limit passed", is_fault=is_killed)
    call = world.core.calls[world.name]
    call.end("caller", world.now)
    world.close()
    world.wait(2)
    assert not world.core.calls
    return is_started


def test_five_kills_and_callers_hear_the_apology_without_a_script(world: World, desk: Desk) -> None:
    assert all(one_call(world, desk, is_killed=True) for _ in range(KILLS))
    assert [entry.level for entry in world.logged("none is started for 10 min")] == [1]
    spoken = len(desk.spoken)
    assert not one_call(world, desk, is_killed=True)
    assert len(desk.spoken) == spoken + 1
    [line] = world.logged("no script: too many of this tenant were killed")
    assert (line.category, line.level) == ("SCRIPT", 2)
    world.wait(PAUSE, step=10)
    assert one_call(world, desk, is_killed=False)
    assert one_call(world, desk, is_killed=True), "closed again"


def test_a_new_template_is_tried_at_once(world: World, desk: Desk) -> None:
    for _ in range(KILLS):
        one_call(world, desk, is_killed=True)
    world.template.write_text("call.say('Better.')", "utf-8")
    assert one_call(world, desk, is_killed=False)


def test_the_operation(world: World, desk: Desk) -> None:
    for _ in range(KILLS):
        one_call(world, desk, is_killed=True)
    operations = call_operations(world.core, lambda: world.now)
    assert operations["tenant.unblock"](tenant="localhost")
    assert not operations["tenant.unblock"](tenant="localhost")
    assert one_call(world, desk, is_killed=False)


def test_our_own_failures_do_not_count(world: World, desk: Desk) -> None:
    for _ in range(KILLS + 1):
        world.call()
        world.script_ends("start_failed", "not ready in 2 s")
        world.core.calls[world.name].end("caller", world.now)
        world.close()
        world.wait(2)
    assert one_call(world, desk, is_killed=False)
