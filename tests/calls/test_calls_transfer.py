"""Callers who are connected with somebody else: real phones, real scripts, sound both ways."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from patience import PATIENCE
from sound import tone, tone_level
from sound_files import sides

if TYPE_CHECKING:
    from house import Caller, House

    from conftest import NewCaller, OpenHouse

TENANT = """
[accounts.120]
password = "correct horse"
[accounts.121]
password = "battery staple"
"""
TELLS = """
call.on("transfer", lambda r: console.log("result", r.ok, r.code, r.method))
call.on("hangup", lambda reason: console.log("over", reason))
"""
WAITS = "setTimeout(lambda: None, 60000)\n"


async def phone(house: House, new_caller: NewCaller, answers: int = 200, **options: object) -> Caller:
    """A second phone, registered as 120."""
    ben = await new_caller(user="120", answers=answers, **options)
    host = house.uri("120").partition("@")[2]
    await ben.phone.register(f"sip:120@{host}", "120", "correct horse")
    return ben


async def talk(first: Caller, second: Caller) -> None:
    """Each hears the other's tone, and not his own."""
    start = [caller.ear.now_ms for caller in (first, second)]
    first.phone.play(tone(600, 8000, 3000), 8000)
    second.phone.play(tone(1100, 8000, 3000), 8000)
    for caller, begin, own, other in ((first, start[0], 600, 1100), (second, start[1], 1100, 600)):
        await caller.reach(begin + 2000)
        heard = caller.between(begin + 1000, begin + 2000)
        assert tone_level(heard, other, 8000) > 5000
        assert tone_level(heard, own, 8000) < 500


@pytest.mark.parametrize("who_leaves", ["caller", "called"])
async def test_a_transferred_caller_talks_until_one_of_them_leaves(
    who_leaves: str, open_house: OpenHouse, new_caller: NewCaller
) -> None:
    house = await open_house(scripts={"700": TELLS + "call.transfer('120')"}, tenant=TENANT)
    ben, ann = await phone(house, new_caller), await new_caller()
    await ann.dial(house.uri("700"))
    await asyncio.wait_for(ben.phone.called, PATIENCE)
    await house.wrote("result True 200 bridge")
    await house.wrote("over transferred")
    await talk(ann, ben)
    leaves, stays = (ann, ben) if who_leaves == "caller" else (ben, ann)
    leaves.phone.hangup()
    assert await stays.left() == "bye"


async def test_different_codecs_and_transports_are_no_hindrance(open_house: OpenHouse, new_caller: NewCaller) -> None:
    house = await open_house(scripts={"700": "call.transfer('120')"}, tenant=TENANT)
    ben, ann = await phone(house, new_caller, codecs=("PCMA",)), await new_caller(codecs=("G722",))
    await ann.dial(house.uri("700", "tcp"))
    await asyncio.wait_for(ben.phone.called, PATIENCE)
    await talk(ann, ben)


async def test_it_rings_and_a_refusal_gives_the_caller_back(open_house: OpenHouse, new_caller: NewCaller) -> None:
    script = TELLS + "r = await call.transfer('120', timeout=4); print('back'); call.say('Nobody answers.')"
    house = await open_house(scripts={"700": script}, tenant=TENANT)
    await phone(house, new_caller, answers=180)
    ann = await new_caller()
    await ann.dial(house.uri("700"))
    await house.wrote("result False 408 bridge")
    before = len(ann.heard)
    assert tone_level(ann.heard[: before // 2], 425, 8000) > 300
    assert await ann.left() == "bye"
    assert await house.wrote("over finished")
    assert ann.ear.stretches(gap_ms=600)[-1].end_ms * 16 > before, "the script spoke again"


async def test_a_busy_phone_a_forbidden_number_and_a_second_transfer(
    open_house: OpenHouse, new_caller: NewCaller
) -> None:
    script = "for dest in ('120', '999', '121'):\n    r = await call.transfer(dest); console.log(dest, r.ok, r.code)"
    house = await open_house(scripts={"700": script}, tenant=TENANT)
    await phone(house, new_caller, answers=486)
    ann = await new_caller()
    await ann.dial(house.uri("700"))
    assert await ann.left() == "bye"
    for line in ("120 False 486", "999 False 403", "121 False 480"):
        await house.wrote(line, category="SCRIPT")


async def test_another_node_takes_the_caller(open_house: OpenHouse, new_caller: NewCaller) -> None:
    second = "console.log('second', call.node, call.called, call.caller); call.say('Welcome to the second node.')"
    house = await open_house(scripts={"700": TELLS + "call.transfer('701')", "701": second})
    ann = await new_caller(user="ann")
    await ann.dial(house.uri("700"))
    await house.wrote("second 701 701 ann")
    await house.wrote("over transferred")
    assert await ann.left() == "bye"
    assert ann.ear.stretches(gap_ms=600)


async def test_a_failing_script_sends_its_caller_to_the_fallback(open_house: OpenHouse, new_caller: NewCaller) -> None:
    house = await open_house(scripts={"700": "1 / 0"}, tenant='fallback = "120"\n' + TENANT)
    ben, ann = await phone(house, new_caller), await new_caller()
    await ann.dial(house.uri("700"))
    await asyncio.wait_for(ben.phone.called, PATIENCE)
    await talk(ann, ben)


async def test_the_fallback_is_a_setting_of_the_script(open_house: OpenHouse, new_caller: NewCaller) -> None:
    house = await open_house(
        scripts={"700": "console.log('to', settings['fallback'])"}, tenant='fallback = "120"\n' + TENANT
    )
    ann = await new_caller()
    await ann.dial(house.uri("700"))
    await house.wrote("to 120")


async def test_a_dialled_one_leaves_and_the_caller_is_back(open_house: OpenHouse, new_caller: NewCaller) -> None:
    script = """
d = call.dial("120")
d.on("end", lambda reason: (console.log("end", reason), call.say("Welcome back.")))
console.log("dial", (await d).ok)
"""
    house = await open_house(scripts={"700": script}, tenant=TENANT)
    ben, ann = await phone(house, new_caller), await new_caller()
    await ann.dial(house.uri("700"))
    await house.wrote("dial True")
    await talk(ann, ben)
    ann.phone.press("5")
    async with asyncio.timeout(PATIENCE):
        while "5" not in ben.phone.digits_heard:
            await ben.reach(ben.ear.now_ms + 100)
    ben.phone.hangup()
    await house.wrote("end far_end")
    assert await ann.left() == "bye"


async def test_a_called_one_hears_who_it_is_and_accepts(open_house: OpenHouse, new_caller: NewCaller) -> None:
    script = """
if call.params:
    call.dtmf(lambda key: call.accept() if key == "1" else call.reject("not now"))
    call.say("A caller for you.")
else:
    answer = await call.dial("120", {"ivraction": "announce"})
    console.log("dial", answer.ok, answer.reason)
    setTimeout(lambda: None, 60000)
"""
    house = await open_house(scripts={"700": script}, tenant=TENANT)
    ben, ann = await phone(house, new_caller), await new_caller()
    await ann.dial(house.uri("700"))
    await ben.sound()
    ben.phone.press("1")
    await house.wrote("dial True")
    await talk(ann, ben)


async def test_a_dialled_node_has_the_caller_until_it_ends(open_house: OpenHouse, new_caller: NewCaller) -> None:
    first = """
call.stream("g711_ulaw", 0.1, lambda audio: heard.append(audio))
heard = []
d = call.dial("701")
d.on("end", lambda reason: (console.log("end", reason, set(heard[-1]) == {255}), call.stream(), call.say("Back.")))
console.log("dial", (await d).ok)
"""
    second = """
call.say("This is the second node. Please press a key.")
digits = await call.gather(max_digits=1, timeout=30)
console.log("second", call.node, call.caller, digits.digits)
call.hangup()
"""
    house = await open_house(scripts={"700": first, "701": second})
    ann = await new_caller(user="ann")
    await ann.dial(house.uri("700"))
    await house.wrote("dial True")
    await ann.sound()
    await ann.quiet()
    spoken_ms = ann.ear.now_ms
    ann.phone.play(tone(600, 8000, 1000), 8000)
    ann.phone.press("7")
    await house.wrote("second 701 ann 7")
    await house.wrote("end far_end True")
    assert await ann.left() == "bye"
    assert ann.ear.stretches(gap_ms=600)[-1].end_ms > spoken_ms, "the first script has spoken again"
    assert await house.wrote("ended: finished")


async def test_a_phone_calls_a_phone(open_house: OpenHouse, new_caller: NewCaller) -> None:
    house = await open_house(scripts={}, tenant=TENANT)
    ben, ann = await phone(house, new_caller, codecs=("PCMA",)), await new_caller(user="121", codecs=("G722",))
    await ann.phone.register(f"sip:121@{house.uri('120').partition('@')[2]}", "121", "battery staple")
    await ann.dial(house.uri("120"))
    await asyncio.wait_for(ben.phone.called, PATIENCE)
    await talk(ann, ben)
    ben.phone.hangup()
    assert await ann.left() == "bye"
    await house.wrote("ended: far_end")


async def test_headers_of_the_invite_reach_the_script(open_house: OpenHouse, new_caller: NewCaller) -> None:
    house = await open_house(scripts={"700": "console.log('from', call.getHeader('FROM'), call.getHeader('X-None'))"})
    ann = await new_caller(user="ann")
    await ann.dial(house.uri("700"))
    line = await house.wrote("from <sip:ann@")
    assert line.text.endswith("None")


async def test_a_recorded_transfer_has_both_sides(open_house: OpenHouse, new_caller: NewCaller) -> None:
    """Also after the script is gone."""
    tenant = "rec = true\n" + TENANT
    house = await open_house(scripts={"700": "call.record(); call.transfer('120')"}, tenant=tenant)
    ben, ann = await phone(house, new_caller, codecs=("PCMA",)), await new_caller()
    await ann.dial(house.uri("700"))
    await asyncio.wait_for(ben.phone.called, PATIENCE)
    await talk(ann, ben)
    ann.phone.hangup()
    assert await ben.left() == "bye"
    line = await house.wrote("s, hangup", category="APP")
    path = await house.runtime.world.recordings.whole(line.text.split()[1].rstrip(":"))
    assert path is not None
    left, right = sides(path)
    end = slice(-16_000, None)
    assert tone_level(left[end], 600, 8000) > 5000 and tone_level(left[end], 1100, 8000) < 500
    assert tone_level(right[end], 1100, 8000) > 5000 and tone_level(right[end], 600, 8000) < 500
