"""Sound through the whole house: what goes in comes back, in every codec, without loss of level, and stops at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from house import echo

from sound import tone, tone_level

if TYPE_CHECKING:
    from conftest import NewCaller, OpenHouse

RATE = 8000


@pytest.mark.parametrize("wire", ["PCMU", "PCMA", "G722"])
@pytest.mark.parametrize(("codec", "rate"), [("g711_ulaw", 8000), ("g711_alaw", 8000), ("pcm16", 24000)])
async def test_a_tone_comes_back_as_it_was(
    wire: str, codec: str, rate: int, open_house: OpenHouse, new_caller: NewCaller
) -> None:
    house = await open_house(scripts={"700": echo(codec, rate)})
    caller = await new_caller(codecs=(wire,))
    await caller.dial(house.uri("700"))
    sent = tone(1000, RATE, 1500, 8000)
    caller.phone.play(sent, RATE)
    began = await caller.sound()
    await caller.reach(began + 1250)
    # No gap, no doubled frame, no change of level: each 20 ms hold the tone.
    caller.check_tone(began + 200, began + 1200, 8000, most_decibels=1.5)


async def test_mute_silences_the_line_with_the_next_frames(open_house: OpenHouse, new_caller: NewCaller) -> None:
    house = await open_house(
        scripts={
            "700": """
import math, array
second = array.array("h", (int(9000 * math.sin(n * math.pi / 4)) for n in range(8000))).tobytes()
for _ in range(10):
    call.play(codec="pcm16", rate=8000, audio=second, tag="tone")

def key(digit):
    dropped = call.mute()
    console.log("dropped", dropped, "played", call.played_ms("tone"))

call.dtmf(key)
"""
        }
    )
    caller = await new_caller()
    await caller.dial(house.uri("700"))
    await caller.sound()
    await caller.reach(1500)
    caller.phone.press("5")
    line = await house.wrote("dropped ", category="SCRIPT")
    _, dropped, _, played = line.text.split()
    end = await caller.quiet(600)
    assert int(dropped) + int(played) == 10_000
    [heard] = caller.ear.stretches()
    # What was sent is what was heard, but for what the phone's jitter buffer conceals at the end.
    assert abs(heard.end_ms - heard.start_ms - int(played)) <= 100
    assert end == heard.end_ms


async def test_say_then_play_are_heard_in_this_order(open_house: OpenHouse, new_caller: NewCaller) -> None:
    house = await open_house(
        scripts={
            "700": """
import math, array
call.say("This is a rather long sentence that must be heard first.")
tone = array.array("h", (int(9000 * math.sin(n * math.pi / 4)) for n in range(8000))).tobytes()
call.play(codec="pcm16", rate=8000, audio=tone)
"""
        }
    )
    caller = await new_caller()
    await caller.dial(house.uri("700"))
    await caller.left()
    heard = bytes(caller.heard)
    last = caller.ear.stretches()[-1]
    tone_at = (last.end_ms - 900) * 16
    assert tone_level(heard[tone_at : tone_at + 12800], 1000, RATE) > 7000
    first = caller.ear.stretches()[0]
    assert tone_level(heard[first.start_ms * 16 : first.start_ms * 16 + 16000], 1000, RATE) < 2000
    assert last.end_ms > 3000


async def test_streams_that_replace_each_other_get_their_own_chunks_alone(
    open_house: OpenHouse, new_caller: NewCaller
) -> None:
    house = await open_house(
        scripts={
            "700": """
KINDS = [("g711_ulaw", 8000, 800), ("pcm16", 8000, 1600), ("pcm16", 16000, 3200)]
wrong, current = [], [0]

def listen(number):
    codec, rate, size = KINDS[number % 3]
    def heard(audio):
        if len(audio) != size:
            wrong.append((number, len(audio)))
        if number == current[0]:  # once for each, in the middle of its second chunk
            current[0] += 1
            setTimeout(lambda: listen(number + 1) if number < 9 else console.log("wrong:", wrong), 50)
    call.stream(codec=codec, rate=rate, interval=0.1, callback=heard)

listen(0)
"""
        }
    )
    caller = await new_caller()
    await caller.dial(house.uri("700"))
    assert (await house.wrote("wrong:", category="SCRIPT")).text == "wrong: []"
