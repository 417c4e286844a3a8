"""What the default script's assistant can do: hang up, press keys, tools of one's own."""

from __future__ import annotations

from typing import Any

import pytest

from ivrnode.realtime.rules import Script
from ivrnode.script import messages as m
from scripts.assistant import (
    ANSWER_SECONDS,
    GOODBYE,
    TRANSFER,
    WITH_TARGETS,
    answered,
    call,
    ready,
    renewed,
)
from scripts.hall import Workers

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_rule_12_hangs_up_after_the_last_word(pool: Workers) -> None:
    async with call(pool, rules=[{"say": "See you.", "call": "hang_up"}]) as line:
        await ready(line)
        await line.speak()
        await line.ended()
        assert line.hangups == [m.Hangup(True)] and GOODBYE not in line.said
        assert line.sounds[-1].played == line.sounds[-1].ms > 0


async def test_rule_12_says_goodbye_when_the_assistant_did_not(pool: Workers) -> None:
    async with call(pool, rules=[{"turn": 1, "say": "Yes."}, {"call": "hang_up"}]) as line:
        await ready(line)
        await line.speak()
        await answered(line)
        await line.speak()
        await line.ended()
        assert line.said[-1] == GOODBYE and line.hangups == [m.Hangup(True)]


@pytest.mark.parametrize(
    ("rule", "told"),
    [
        ({"fault": "bad-tool", "say": "x"}, "There is no tool 'no_such_tool'."),
        ({"call": "transfer", "arguments": {"target": "sales"}}, "There is no tool 'transfer'."),
        ({"call": "hang_up", "arguments": "{not JSON"}, "The arguments are not a JSON object."),
        ({"call": "hang_up", "arguments": "[1]"}, "The arguments are not a JSON object."),
    ],
)
async def test_rule_13_tells_the_assistant_what_was_wrong(pool: Workers, rule: dict[str, Any], told: str) -> None:
    rules = [{"output": ".", "say": "My fault."}, rule]
    async with call(pool, rules=rules) as line:
        await ready(line)
        await line.speak()
        await answered(line, 2)
        (item,) = (event["item"] for event in line.sent("conversation.item.create"))
        call_id = line.got("response.done")[0]["response"]["output"][0]["call_id"]
        assert (item["type"], item["call_id"], item["output"]) == ("function_call_output", call_id, told)
        assert len(line.sent("response.create")) == 1 and not line.hangups
        await line.until(lambda: line.played)


@pytest.mark.parametrize(
    ("body", "told", "logged"),
    [
        ("await asyncio.sleep(3600)", "The tool took too long and was stopped.", "tool nap has not ended in 10 s"),
        ("return 1 / 0", "The tool failed.", "tool nap: ZeroDivisionError('division by zero')"),
        ("return 'It is late.'", "It is late.", "tool nap {}"),
    ],
)
async def test_rule_13_a_tool_of_ones_own_that_hangs_or_fails_is_told(
    pool: Workers, body: str, told: str, logged: str
) -> None:
    own = f'async def nap(arguments):\n    {body}\n\n\ntool(nap, "Sleep.")\n\n\n'
    rules = [{"output": ".", "say": "I am awake."}, {"call": "nap"}]
    async with call(pool, rules=rules, addition=own) as line:
        await ready(line)
        await line.speak()
        await line.until(lambda: line.logged("tool nap {}"))
        line.passes(10)
        await answered(line, 2)
        (item,) = (event["item"] for event in line.sent("conversation.item.create"))
        assert item["output"] == told and line.logged(logged) and not line.hangups


async def test_rule_15_no_answer_to_what_a_tool_says_is_no_silence(pool: Workers) -> None:
    rules = [TRANSFER | {"arguments": {"target": "moon"}}]  # none for what the tool says
    async with call(pool, settings=WITH_TARGETS, rules=rules) as line:
        await ready(line)
        await line.speak()
        await line.until(lambda: line.sent("response.create"))
        line.passes(ANSWER_SECONDS)
        await line.until(lambda: len(line.said) == 2)
        assert line.said[1] == "Sorry, that did not work. Please say it again." and not line.hangups


async def test_rule_13_an_unknown_target_is_told(pool: Workers) -> None:
    rules = [{"output": ".", "say": "My fault."}, TRANSFER | {"arguments": {"target": "moon"}}]
    async with call(pool, settings=WITH_TARGETS, rules=rules) as line:
        await ready(line)
        await line.speak()
        await line.until(lambda: line.sent("response.create"))
        assert line.sent("conversation.item.create")[0]["item"]["output"] == (
            "There is no target 'moon', only: sales, support."
        )


async def test_rule_16_a_session_that_ends_while_a_tool_works_is_not_told_its_result(pool: Workers) -> None:
    nap = 'async def nap(arguments):\n    await asyncio.sleep(1)\n    console.log("slept")\n    return "Done."\n\n\n'
    own = nap + 'tool(nap, "Sleep.")\n\n\n'
    shared = Script.parse({"rule": [{"call": "nap", "once": True}, {"say": "Yes."}]})
    async with call(pool, brain=lambda: shared, addition=own, SHORTEST_SESSION_SECONDS=0) as line:
        await ready(line)
        await line.speak()
        await line.until(lambda: line.logged("tool nap"))
        await line.end_session()
        await renewed(line)
        line.passes(1)
        await line.until(lambda: line.logged("slept"))
        await line.speak()
        await line.until(lambda: line.sent("input_audio_buffer.append"))
        await line.until(lambda: len(line.got("input_audio_buffer.committed")) == 2)
        items = [event["item"]["type"] for event in line.sent("conversation.item.create")]
        assert "function_call_output" not in items and not line.got("error") and not line.hangups


async def test_the_assistant_presses_keys_where_it_may(pool: Workers) -> None:
    rules = [{"output": "pressed", "say": "Done."}, {"call": "send_keys", "arguments": {"keys": "12#"}}]
    async with call(pool, rules=rules, settings={"send_keys": True}) as line:
        await ready(line)
        await line.speak()
        await answered(line, 2)
        (item,) = (event["item"] for event in line.sent("conversation.item.create"))
        assert item["output"] == "The keys were pressed."
        assert line.keys_pressed == ["12#"]
        await line.until(lambda: line.played)
