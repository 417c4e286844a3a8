"""Sessions that end, by the limit or by themselves: the default script takes a new one, or takes its leave."""

from __future__ import annotations

from typing import Any

import pytest

from ivrnode.realtime.rules import Script
from ivrnode.script import messages as m
from scripts.assistant import (
    EXPIRY_SECONDS,
    GOODBYE,
    SORRY,
    answered,
    call,
    carried,
    ready,
    renewed,
)
from scripts.hall import Workers

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.mark.parametrize(
    ("rule", "code"),
    [
        ({"fault": "bad-key"}, 3000),
        ({"fault": "expire=0"}, 1001),
        ({"fault": "drop"}, 1006),
        ({"hang_up": 1000}, 1000),
        ({"hang_up": 1012}, 1012),
        ({"hang_up": 1013}, 1013),
    ],
)
async def test_rule_16_a_closed_socket_is_no_silence(pool: Workers, rule: dict[str, Any], code: int) -> None:
    async with call(pool, rules=[rule]) as line:
        await ready(line)
        await line.speak()
        await line.ended()
        assert line.said[-2:] == [SORRY, GOODBYE] and not line.is_streaming
        assert line.logged(f"closed the connection: {code}", 3)
        assert line.hangups == [m.Hangup(True)]


@pytest.mark.parametrize("fault", ["bad-key", "sunset"])
async def test_rule_16_a_socket_that_closes_at_once(pool: Workers, fault: str) -> None:
    async with call(pool, fault) as line:
        await line.ended()
        assert line.said[1:] == [SORRY, GOODBYE]
        if fault == "sunset":
            assert line.logged("OpenAI-Beta", 2)


async def test_rule_16_a_stalled_service_is_noticed_by_its_missing_pongs(pool: Workers) -> None:
    async with call(pool, "stall", ping_seconds=0.2) as line:
        await line.ended()
        assert line.said[1:] == [SORRY, GOODBYE]


async def test_rule_16_at_the_limit_a_new_session_goes_on(pool: Workers) -> None:
    rules = [{"turn": 1, "say": "It is sunny.", "hang_up": 1001}, {"say": "Still here."}]
    async with call(pool, rules=rules, SHORTEST_SESSION_SECONDS=0) as line:
        await ready(line)
        await line.speak()
        await renewed(line)
        assert len(line.opened) == 2 and len(line.sent("session.update")) == 2
        await line.until(lambda: len(carried(line)) == 2)
        assert carried(line)[0][0] == "user" and carried(line)[0][1].startswith("turn 1, ")
        assert carried(line)[1] == ("assistant", "It is sunny.")
        assert len(line.said) == 1 and not line.sent("response.create"), "the caller hears nothing of it"
        await line.speak()
        await answered(line, 2)
        assert not line.hangups and not line.got("error")


async def test_rule_16_a_turn_that_the_limit_cut_is_answered_by_the_new_session(pool: Workers) -> None:
    rules = [{"turn": 1, "text": "^turn 1", "once": True, "fault": "expire=0", "say": "x"}, {"say": "Here I am."}]
    shared = Script.parse({"rule": rules})  # one brain for both sessions: the second one knows of the first
    async with call(pool, brain=lambda: shared, SHORTEST_SESSION_SECONDS=0) as line:
        await ready(line)
        await line.speak()
        await renewed(line)
        await line.until(lambda: line.played, "the answer")
        assert len(line.sent("response.create")) == 1 and carried(line)[0][0] == "user" and len(line.said) == 1


async def test_rule_16_what_was_not_understood_is_asked_for_again(pool: Workers) -> None:
    async with call(pool, "no-answer", SHORTEST_SESSION_SECONDS=0) as line:
        await ready(line)
        await line.keep_speaking()
        await line.until(lambda: line.got("input_audio_buffer.speech_started"))
        await line.until(lambda: line.sounds[0].rest == 0)
        await line.end_session()
        await renewed(line)
        assert line.said[1:] == ["Sorry, that did not work. Please say it again."] and not line.hangups


@pytest.mark.parametrize("shortest", [0.0, 5.0])
async def test_rule_16_gives_up_when_there_is_no_new_session(pool: Workers, shortest: float) -> None:
    """It is refused; or the old one was over so soon that a new one would be, too."""
    async with call(pool, SHORTEST_SESSION_SECONDS=shortest) as line:
        await ready(line)
        line.refuses_sockets = True
        await line.end_session()
        await line.ended()
        assert line.said[1:] == [SORRY, GOODBYE] and line.hangups == [m.Hangup(True)]
        assert len(line.opened) == (2 if shortest == 0 else 1)


async def test_rule_16_no_more_than_the_last_lines_are_carried_over(pool: Workers) -> None:
    async with call(pool, CONTEXT_LINES=3, SHORTEST_SESSION_SECONDS=0) as line:
        await ready(line)
        for turn in (1, 2, 3):
            await line.speak()
            await answered(line, turn)
        await line.end_session()
        await renewed(line)
        await line.until(lambda: len(carried(line)) == 3)
        assert [role for role, _ in carried(line)] == ["assistant", "user", "assistant"]


async def test_rule_17_takes_a_new_session_before_the_old_one_ends(pool: Workers) -> None:
    async with call(pool, "expire=60") as line:
        await ready(line)
        for sessions in (2, 3):
            line.passes(EXPIRY_SECONDS + 1)
            await renewed(line, sessions)
        assert not line.logged("closed the connection") and len(line.said) == 1 and not line.hangups


async def test_rule_17_not_in_the_middle_of_a_turn(pool: Workers) -> None:
    async with call(pool, "expire=60", "no-answer") as line:
        await ready(line)
        await line.keep_speaking()
        await line.until(lambda: line.got("input_audio_buffer.speech_started"))
        for seconds in (EXPIRY_SECONDS + 1, 1, 1):
            line.passes(seconds)
        await line.end_session()
        await renewed(line)
        assert line.logged("closed the connection: 1001"), "it waited for the turn, up to the limit"


async def test_rule_14_an_expired_session_is_followed_by_a_new_one(pool: Workers) -> None:
    rules = [{"turn": 1, "error": "session_expired", "say": "Yes."}]
    async with call(pool, rules=rules, SHORTEST_SESSION_SECONDS=0) as line:
        await ready(line)
        await line.speak()
        await renewed(line)
        assert not line.hangups and line.logged("session_expired", 3)
