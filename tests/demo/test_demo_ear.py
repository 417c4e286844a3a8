"""The demo's ear: stretches of sound in a track, by level."""

from __future__ import annotations

import asyncio
from array import array

from hypothesis import given
from hypothesis import strategies as st

from ivrnode.demo.ear import FRAME, FRAME_MS, Ear, Stretch


def frames(levels: list[bool]) -> bytes:
    return b"".join(
        array("h", [3000 if is_loud else 0, -3000 if is_loud else 0] * (FRAME // 2)).tobytes() for is_loud in levels
    )


def test_pauses_between_words_do_not_part_a_sentence() -> None:
    ear = Ear()
    ear.feed(frames([False] * 10 + [True] * 20 + [False] * 10 + [True] * 20 + [False] * 50 + [True] * 5))
    assert ear.stretches() == [Stretch(200, 1200), Stretch(2200, 2300)]


def test_a_click_is_no_sound() -> None:
    ear = Ear()
    ear.feed(frames([False] * 30 + [True] + [False] * 30))
    assert ear.stretches() == []


@given(st.lists(st.booleans(), max_size=60), st.lists(st.integers(1, 500), min_size=1, max_size=20))
def test_the_way_the_track_is_cut_does_not_matter(levels: list[bool], cuts: list[int]) -> None:
    pcm, whole, cut = frames(levels), Ear(), Ear()
    whole.feed(pcm)
    position = 0
    for size in cuts:
        cut.feed(pcm[position : position + 2 * size])
        position += 2 * size
    cut.feed(pcm[position:])
    assert cut.stretches() == whole.stretches()
    assert cut.now_ms == len(levels) * FRAME_MS


async def test_waits_for_sound_and_for_quiet() -> None:
    ear = Ear()
    sound, quiet = asyncio.ensure_future(ear.sound_after(500)), asyncio.ensure_future(ear.quiet_for(600))
    await asyncio.sleep(0)
    for _ in range(4):
        ear.feed(frames([True] * 3 + [False] * 22))
        await asyncio.sleep(0)
    assert await sound == 500
    assert not quiet.done()
    ear.feed(frames([False] * 20))
    assert await quiet == 1560
