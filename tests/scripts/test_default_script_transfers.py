"""The default script and somebody else on the line; the hall answers the transfers."""

from __future__ import annotations

import pytest

from ivrnode.realtime.rules import Script
from scripts.assistant import (
    GOODBYE,
    SORRY,
    TRANSFER,
    WITH_TARGETS,
    answered,
    call,
    carried,
    ready,
    renewed,
    to,
)
from scripts.hall import Workers

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_rule_9_offers_the_targets_by_name(pool: Workers) -> None:
    async with call(pool, settings=WITH_TARGETS) as line:
        await ready(line)
        tool = line.sent("session.update")[0]["session"]["tools"][1]
        assert tool["name"] == "transfer"
        assert tool["parameters"]["properties"]["target"]["enum"] == ["sales", "support"]
        assert line.hears_digits


async def test_rule_10_a_transfer_is_not_disturbed(pool: Workers) -> None:
    rules = [TRANSFER | {"hang_up": 1000}]
    async with call(pool, settings=WITH_TARGETS, rules=rules) as line:
        await ready(line)
        await line.speak()
        await line.until(lambda: line.transfers == [to("120")])
        await line.until(lambda: line.socket_closed)
        assert line.queued_ms > 0 and not line.is_streaming
        line.hang_up("transferred")
        await line.ended()
        assert line.said == [line.sounds[0].text] and not line.hangups


async def test_rule_11_a_failed_transfer_gives_the_caller_back(pool: Workers) -> None:
    rules = [{"output": "nobody answers", "say": "Nobody is there."}, TRANSFER]
    async with call(pool, settings=WITH_TARGETS, rules=rules) as line:
        line.transfer_works = False
        await ready(line)
        await line.speak()
        await answered(line, 2)
        (item,) = (event["item"] for event in line.sent("conversation.item.create"))
        assert item["output"] == "The transfer to sales did not work: nobody answers."
        assert line.is_streaming and len(line.streams) == 3


@pytest.mark.parametrize("code", [1000, 1001, 1013])
async def test_rule_11_a_service_that_leaves_during_a_failed_transfer_is_asked_again(pool: Workers, code: int) -> None:
    rules = [TRANSFER | {"once": True, "hang_up": code}, {"say": "Nobody is there."}]
    shared = Script.parse({"rule": rules})
    settings = WITH_TARGETS | {"fallback": ""}
    async with call(pool, settings=settings, brain=lambda: shared, SHORTEST_SESSION_SECONDS=0) as line:
        line.transfer_works, line.transfer_seconds = False, 0.3
        await ready(line)
        await line.speak()
        await line.until(lambda: line.socket_closed)
        await renewed(line)
        await line.until(lambda: len(line.got("response.done")) == 2, "an answer of the new session")
        failure = ("system", "The transfer to sales did not work: nobody answers.")
        assert carried(line)[-1] == failure and len(line.sent("response.create")) == 1
        assert len(line.opened) == 2 and len(line.said) == 1 and not line.got("error") and not line.hangups
        await line.speak()
        await line.until(lambda: len(line.got("response.done")) == 3, "the next turn")


async def test_rule_11_a_failed_transfer_without_a_service_ends_the_call(pool: Workers) -> None:
    rules = [TRANSFER | {"hang_up": 1000}]
    settings = WITH_TARGETS | {"fallback": ""}
    async with call(pool, settings=settings, rules=rules, SHORTEST_SESSION_SECONDS=0) as line:
        line.transfer_works, line.transfer_seconds = False, 0.3
        await ready(line)
        await line.speak()
        await line.until(lambda: line.socket_closed)
        line.refuses_sockets = True
        await line.ended()
        assert line.said[-2:] == [SORRY, GOODBYE] and len(line.opened) == 2


async def test_rule_11_a_target_that_is_no_number_is_told(pool: Workers) -> None:
    rules = [{"output": "failed", "say": "My fault."}, TRANSFER]
    async with call(pool, settings={"targets": {"sales": ""}}, rules=rules) as line:
        await ready(line)
        await line.speak()
        await answered(line, 2)
        assert line.is_streaming and len(line.streams) == 1 and not line.hangups


@pytest.mark.parametrize("ok", [True, False])
async def test_rule_18_gives_the_caller_to_the_fallback(pool: Workers, ok: bool) -> None:
    async with call(pool, "sunset", settings=WITH_TARGETS) as line:
        line.transfer_works = ok
        await line.until(lambda: line.transfers == [to("100")])
        if ok:
            line.hang_up("transferred")
        await line.ended()
        assert line.said[1:] == ([SORRY] if ok else [SORRY, GOODBYE])


async def test_rule_19_key_0_leads_to_the_fallback(pool: Workers) -> None:
    async with call(pool, settings=WITH_TARGETS) as line:
        await ready(line)
        line.press("5")
        line.press("0")
        await line.until(lambda: line.transfers == [to("100")])
        await line.until(lambda: line.socket_closed)
        line.hang_up("transferred")
        await line.ended()
        assert len(line.said) == 1
