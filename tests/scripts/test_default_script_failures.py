"""Turns that fail and errors of the service: the default script always says something."""

from __future__ import annotations

import pytest

from scripts.assistant import (
    GOODBYE,
    SORRY,
    call,
    ready,
    unanswered,
)
from scripts.hall import Workers

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_rule_14_an_error_costs_nothing(pool: Workers) -> None:
    async with call(pool, rules=[{"error": "rate_limit_exceeded", "say": "Yes."}]) as line:
        await ready(line)
        await line.speak()
        await line.until(lambda: line.played)
        assert line.logged("rate_limit_exceeded", 3) and not line.hangups


@pytest.mark.parametrize("code", ["invalid_api_key", "beta_api_shape_disabled", "session_expired"])
async def test_rule_14_fatal_errors_end_the_call(pool: Workers, code: str) -> None:
    async with call(pool, rules=[{"error": code, "say": "Yes."}]) as line:
        await ready(line)
        await line.speak()
        await line.ended()
        assert line.said[-2:] == [SORRY, GOODBYE] and line.logged(code, 3)


async def test_rule_14_an_error_before_the_session_is_ready_ends_the_call(pool: Workers) -> None:
    # The stand-in takes no such silence, as the service does not.
    async with call(pool, settings={"silence_ms": -1}) as line:
        await line.ended()
        assert line.got("error")[0]["error"]["param"].endswith("silence_duration_ms")
        assert line.said[-2:] == [SORRY, GOODBYE]


@pytest.mark.parametrize("fault", ["failed=1", "no-answer=1"])
async def test_rule_15_one_turn_without_an_answer_gets_a_short_apology(pool: Workers, fault: str) -> None:
    async with call(pool, fault) as line:
        await ready(line)
        await line.speak()
        await unanswered(line, 1)
        await line.until(lambda: len(line.said) == 2)
        assert line.said[1] == "Sorry, that did not work. Please say it again." and not line.hangups
        await line.speak()
        await line.until(lambda: line.played)
        assert not line.hangups


@pytest.mark.parametrize("fault", ["failed", "no-answer"])
async def test_rule_15_two_in_a_row_end_the_call(pool: Workers, fault: str) -> None:
    async with call(pool, fault) as line:
        await ready(line)
        for turn in (1, 2):
            await line.speak()
            await unanswered(line, turn)
            await line.until(lambda turn=turn: len(line.said) > turn)  # type: ignore[misc]
        await line.ended()
        assert line.said[1:] == ["Sorry, that did not work. Please say it again.", SORRY, GOODBYE]


async def test_rule_15_an_answer_in_between_starts_the_count_anew(pool: Workers) -> None:
    rules = [{"turn": turn, "fault": "failed", "say": "x"} for turn in (1, 3)] + [{"say": "Yes."}]
    async with call(pool, rules=rules) as line:
        await ready(line)
        for turn in (1, 2, 3):
            await line.speak()
            await line.until(lambda turn=turn: len(line.got("response.done")) == turn)  # type: ignore[misc]
        await line.until(lambda: len(line.said) == 3)
        assert not line.hangups


async def test_rule_15_a_stalled_service_is_noticed_by_the_answer_that_does_not_come(pool: Workers) -> None:
    async with call(pool, rules=[{"fault": "stall", "say": "x"}]) as line:
        await ready(line)
        await line.speak()
        await unanswered(line, 1)
        await line.until(lambda: len(line.said) == 2)
        assert line.said[1] == "Sorry, that did not work. Please say it again."


async def test_rule_18_says_its_own_apology_once(pool: Workers) -> None:
    settings = {"sorry": {"de": "Da ist was faul."}}
    async with call(pool, "sunset", lang="de", settings=settings) as line:
        await line.ended()
        assert line.said[1:] == ["Da ist was faul.", "Auf Wiederhören."]


async def test_rule_18_the_apology_does_not_wait_for_a_long_answer(pool: Workers) -> None:
    async with call(pool, "big", rules=[{"turn": 1, "say": "Yes.", "hang_up": 1013}]) as line:
        await ready(line)
        await line.speak()
        await line.ended()
        assert line.played[-1].is_dropped
        assert [sound.text for sound in line.sounds if sound.played and sound.text][-2:] == [SORRY, GOODBYE]
