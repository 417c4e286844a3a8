"""The longest that a caller of the default script hears nothing, fault by fault, as docs/realtime.md has it.

The desk's time is simulated; what counts is what came over the wire.
"""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Any

import pytest

from ivrnode.sim.caller import Caller
from ivrnode.testing import Ivr
from scripts.hall import DEFAULT_SCRIPT

SETTINGS = {"greeting": "Hello.", "targets": {"sales": "120"}}
TRANSFER = {"turn": 1, "say": "One moment.", "call": "transfer", "arguments": {"target": "sales"}}
NAP = 'async def nap(arguments):\n    await asyncio.sleep(3600)\n\n\ntool(nap, "Sleep.")\n\n\n# Silence: ask once'
GRACE = 1.0
"""Seconds for the service to notice the end of a turn, and for a voice to begin."""


def longest_silence(caller: Caller) -> float:
    """Seconds between two sounds, his own words among them; up to the end of the call."""
    edges, speaks_since = [(0.0, 0.0)], 0.0
    for moment in caller.moments:
        if found := re.fullmatch(r"hears sound ([\d.]+)-([\d.]+) s", moment.what):
            edges.append((float(found[1]), float(found[2])))
        elif moment.who == "caller" and moment.what.startswith("says "):
            speaks_since = moment.at
            edges.append((moment.at, moment.at))
        elif moment.what == "hears speech end":
            edges.append((speaks_since, moment.at))
        elif moment.who == "call":
            edges.append((moment.at, moment.at))
    edges.sort()
    return max(after[0] - before[1] for before, after in pairwise(edges))


def call(ivr: Ivr, script: str = "", **settings: Any) -> Caller:
    return ivr.call(script or str(DEFAULT_SCRIPT), settings=SETTINGS | settings)


@pytest.mark.parametrize(
    ("fault", "seconds"),
    [
        ("refuse", 0),
        ("refuse=503", 0),
        ("refuse=hang", 10),
        ("bad-key", 0),
        ("sunset", 0),
        ("no-update", 10),
        ("drop", 0),
    ],
)
def test_a_service_that_does_not_get_ready(ivr: Ivr, fault: str, seconds: float) -> None:
    ivr.service(faults=[fault])
    caller = call(ivr)
    caller.waits(40)
    assert caller.hung_up == "script" and longest_silence(caller) <= seconds + GRACE


@pytest.mark.parametrize(("fault", "seconds"), [("failed", 0), ("no-answer", 15)])
def test_turns_without_an_answer(ivr: Ivr, fault: str, seconds: float) -> None:
    ivr.service(faults=[fault])
    caller = call(ivr)
    for _ in range(2):
        caller.says("Is there anybody?")
        assert caller.hears_sound(within=20)
    caller.waits(20)
    assert caller.hung_up == "script" and longest_silence(caller) <= seconds + GRACE


def test_a_service_that_stalls_in_a_turn(ivr: Ivr) -> None:
    ivr.service(faults=["stall=4"])
    caller = call(ivr)
    caller.waits(3)
    caller.says("Is there anybody?")
    caller.waits(60)
    assert caller.hung_up == "script" and longest_silence(caller) <= 45 + GRACE


@pytest.mark.parametrize(("answers", "seconds"), [(True, 10), (False, 25)])
def test_a_tool_that_hangs(ivr: Ivr, answers: bool, seconds: float, tmp_path: Any) -> None:
    told = [{"output": "too long", "say": "It does not work."}] if answers else []
    ivr.service([*told, {"turn": 1, "call": "nap"}, {"turn": 2, "say": "Well."}])
    script = tmp_path / "napping.py"
    script.write_text(DEFAULT_SCRIPT.read_text("utf-8").replace("# Silence: ask once", NAP), "utf-8")
    caller = call(ivr, str(script))
    caller.says("Do it.")
    assert caller.hears("It does not work" if answers else "Sorry, that did not work.", within=40)
    assert longest_silence(caller) <= seconds + GRACE
    caller.says("And now?")
    assert caller.hears("Well.")


@pytest.mark.parametrize(("answers", "seconds"), [(486, 0), (404, 0), (180, 4)])
def test_a_transfer_that_fails(ivr: Ivr, answers: int, seconds: float) -> None:
    """The ringing tone pauses for 4 s."""
    ivr.service([{"output": "did not work", "say": "Nobody is there."}, TRANSFER])
    ivr.phone("120", answers=answers)
    caller = call(ivr)
    caller.says("Connect me.")
    assert caller.hears("Nobody is there.", within=45)
    assert longest_silence(caller) <= seconds + GRACE


def test_a_service_that_leaves_while_it_rings(ivr: Ivr) -> None:
    ivr.service([TRANSFER], faults=["expire=20"])
    ivr.phone("120", answers=180)
    caller = call(ivr)
    caller.waits(5)
    caller.says("Connect me.")
    assert caller.hears("One moment.") and caller.hears("One moment.", within=45)
    assert longest_silence(caller) <= 5 + GRACE


@pytest.mark.parametrize("answers", [486, 180])
def test_a_fallback_that_nobody_answers(ivr: Ivr, answers: int) -> None:
    ivr.service(faults=["sunset"])
    ivr.phone("100", answers=answers)
    caller = call(ivr, fallback="100")
    caller.waits(60)
    assert caller.hung_up == "script" and longest_silence(caller) <= 4 + GRACE


@pytest.mark.parametrize("source", ["1 / 0", "def", "while True: pass", "await asyncio.sleep(1)\nraise ValueError"])
def test_a_script_that_fails(ivr: Ivr, source: str, tmp_path: Any) -> None:
    script = tmp_path / "faulty.py"
    script.write_text(source + "\n", "utf-8")
    caller = ivr.call(str(script))
    assert caller.hears("We are sorry", within=20)
    caller.waits(20)
    assert caller.hung_up == "error" and caller.errors and longest_silence(caller) <= 1 + GRACE
