"""The default script in whole calls on the desk: transfers that ring, fallbacks, faults, the gate."""

from __future__ import annotations

import re

import pytest

from ivrnode.testing import Ivr
from scripts.hall import DEFAULT_SCRIPT

TRANSFER = {"turn": 1, "say": "One moment.", "call": "transfer", "arguments": {"target": "sales"}}
TARGETS = {"targets": {"sales": "120"}, "greeting": "Hello."}
FALLBACK = {"fallback": "100", "greeting": "Hello."}
SORRY = "I am sorry, I cannot go on at the moment."


def test_rule_10_a_transfer_that_is_answered(ivr: Ivr) -> None:
    ivr.service([TRANSFER])
    sales = ivr.phone("120")
    caller = ivr.call(DEFAULT_SCRIPT, settings=TARGETS)
    caller.says("I want to buy something.")
    assert caller.hears("One moment.")
    caller.waits(2)
    assert sales.is_up
    caller.hangs_up()
    assert any(re.search(r"1 turns, transferred$", line) for line in caller.log)


@pytest.mark.parametrize("answers", [486, 180])
def test_rule_11_a_transfer_that_fails_gives_the_caller_back(ivr: Ivr, answers: int) -> None:
    ivr.service([{"output": "did not work", "say": "Nobody is there."}, TRANSFER, {"say": "What else?"}])
    ivr.phone("120", answers=answers)
    caller = ivr.call(DEFAULT_SCRIPT, settings=TARGETS)
    caller.says("I want to buy something.")
    assert caller.hears("Nobody is there.", within=45)
    caller.says("Well then.")
    assert caller.hears("What else?")


def test_rule_11_the_service_may_leave_while_it_rings(ivr: Ivr) -> None:
    """The new session, a service without a memory, does the same again."""
    ivr.service([TRANSFER], faults=["expire=20"])
    ivr.phone("120", answers=180)
    caller = ivr.call(DEFAULT_SCRIPT, settings=TARGETS)
    caller.waits(5)
    caller.says("I want to buy something.")
    assert caller.hears("One moment.")
    assert caller.hears("One moment.", within=45)
    assert any("a new one takes its place" in line for line in caller.log)
    assert not any("I am sorry" in moment.what for moment in caller.moments) and not caller.hung_up


def test_rule_11_who_may_not_be_called_is_told(ivr: Ivr) -> None:
    ivr.service([{"output": "did not work", "say": "I may not do that."}, TRANSFER])
    caller = ivr.call(DEFAULT_SCRIPT, settings=TARGETS | {"targets": {"sales": "+15551234567"}})
    caller.says("Call my friend abroad.")
    assert caller.hears("I may not do that.")


@pytest.mark.parametrize("fault", ["refuse", "refuse=503", "refuse=hang", "bad-key", "sunset", "no-update", "drop"])
def test_rule_18_the_fallback_takes_the_call(ivr: Ivr, fault: str) -> None:
    ivr.service(faults=[fault])
    office = ivr.phone("100")
    caller = ivr.call(DEFAULT_SCRIPT, settings=FALLBACK)
    assert caller.hears(SORRY, within=25)
    caller.waits(2)
    assert office.is_up


def test_rule_18_the_fallback_takes_a_call_without_answers(ivr: Ivr) -> None:
    ivr.service(faults=["failed"])
    office = ivr.phone("100")
    caller = ivr.call(DEFAULT_SCRIPT, settings=FALLBACK)
    caller.says("Hello?")
    assert caller.hears("Sorry, that did not work. Please say it again.")
    caller.says("Hello?")
    assert caller.hears(SORRY)
    caller.waits(2)
    assert office.is_up


def test_rule_18_a_fallback_that_is_busy_is_no_silence(ivr: Ivr) -> None:
    ivr.service(faults=["sunset"])
    ivr.phone("100", answers=486)
    caller = ivr.call(DEFAULT_SCRIPT, settings=FALLBACK)
    assert caller.hears("Goodbye.")
    caller.waits(3)
    assert caller.hung_up == "script"


def test_rule_19_key_0_leads_to_the_fallback(ivr: Ivr) -> None:
    ivr.service()
    office = ivr.phone("100")
    caller = ivr.call(DEFAULT_SCRIPT, settings=FALLBACK)
    caller.waits(0.5)
    caller.presses("0")
    caller.waits(1)
    assert office.is_up


def test_rule_19_a_silent_caller_is_asked_and_let_go(ivr: Ivr) -> None:
    ivr.service()
    caller = ivr.call(DEFAULT_SCRIPT, settings={"greeting": "Hello.", "idle_seconds": 5})
    assert caller.hears("Are you still there?")
    assert caller.hears("Goodbye.")
    caller.waits(3)
    assert caller.hung_up == "script" and caller.seconds < 20


@pytest.mark.parametrize("limit", [20, 65])
def test_rule_17_a_call_lasts_longer_than_its_session(ivr: Ivr, limit: int) -> None:
    ivr.service([{"turn": 1, "say": "Good morning."}, {"say": "Yes."}], faults=[f"expire={limit}"])
    caller = ivr.call(DEFAULT_SCRIPT, settings={"greeting": "Hello."})
    caller.says("Good morning.")
    assert caller.hears("Good morning.")
    caller.waits(limit)
    caller.says("Are you there?")
    assert caller.hears("Yes.") and not caller.hung_up
    assert any("a new one takes its place" in line for line in caller.log)
    assert not any("I am sorry" in moment.what for moment in caller.moments)


def test_the_gate_lets_turns_end_and_tells_what_it_saved(ivr: Ivr) -> None:
    ivr.service([{"say": "Yes."}])
    caller = ivr.call(DEFAULT_SCRIPT, settings={"greeting": "Hello.", "vad_gate": True})
    for _ in range(2):
        caller.says("Is there anybody?")
        assert caller.hears("Yes.")
    caller.waits(10)
    caller.hangs_up()
    found = re.search(r"2 turns, caller, ([\d.]+) s \((\d+) bytes\) of silence not sent", caller.log[-1])
    assert (
        found and 8 < float(found[1]) < caller.seconds and int(found[2]) == pytest.approx(float(found[1]) * 8000, 0.02)
    )
