"""A second script at the same far end: it speaks and hears in the place of the first."""

import pytest
from desk import Desk

from ivrnode.media.messages import (
    Audio,
    Bridge,
    Clear,
    Cleared,
    Close,
    Closed,
    Connect,
    ItemDone,
    Join,
    LoadReport,
    Mute,
    Play,
    Ring,
    Stream,
)
from sound import tone, tone_level

HOST, GUEST, SECOND = 1, 7, 8


@pytest.fixture
def desk() -> Desk:
    return Desk()


def play(leg: int, frequency: int, item: int = 1, ms: int = 500) -> Play:
    return Play(leg, item, "pcm16", 8000, tone(frequency, 8000, ms))


def closed(desk: Desk) -> list[int]:
    return [event.leg for event in desk.of(Closed)]


@pytest.mark.parametrize("codec", ["PCMU", "G722"])
def test_the_far_end_hears_the_guest_and_then_the_host_again(desk: Desk, codec: str) -> None:
    ann = desk.call(HOST, codec)
    desk.command(Join(GUEST, HOST))
    desk.command(play(HOST, 400))
    desk.command(play(GUEST, 1000))
    since = desk.now
    desk.run(0.5)
    heard = ann.heard_pcm(8000, since)
    assert tone_level(heard, 1000, 8000) > 5000 and tone_level(heard, 400, 8000) < 500
    desk.command(Close(GUEST))
    since = desk.now
    desk.run(0.5)
    heard = ann.heard_pcm(8000, since)
    assert tone_level(heard, 400, 8000) > 5000 and tone_level(heard, 1000, 8000) < 500
    assert [(event.leg, event.item) for event in desk.of(ItemDone)] == [(GUEST, 1), (HOST, 1)]


def test_the_guest_hears_the_far_end_and_the_host_silence(desk: Desk) -> None:
    ann = desk.call(HOST)
    desk.command(Stream(HOST, "g711_ulaw", 8000, 100))
    desk.command(Join(GUEST, HOST))
    desk.command(Stream(GUEST, "g711_ulaw", 8000, 100))
    desk.run(0.2)
    ann.say(tone(600, 8000, 1000), 8000)
    desk.run(1.0)
    chunks = {leg: [event.audio for event in desk.of(Audio) if event.leg == leg] for leg in (HOST, GUEST)}
    assert len(chunks[HOST]) >= 10 and set(b"".join(chunks[HOST])) == {0xFF}
    assert len(chunks[GUEST]) >= 10 and len(set(b"".join(chunks[GUEST][-4:]))) > 8


def test_the_last_guest_has_the_far_end(desk: Desk) -> None:
    ann = desk.call(HOST)
    desk.command(Join(GUEST, HOST))
    desk.command(Join(SECOND, GUEST))
    desk.command(play(GUEST, 400))
    desk.command(play(SECOND, 1000))
    since = desk.now
    desk.run(0.3)
    assert tone_level(ann.heard_pcm(8000, since), 1000, 8000) > 5000
    desk.command(Close(SECOND))
    since = desk.now
    desk.run(0.3)
    assert tone_level(ann.heard_pcm(8000, since), 400, 8000) > 5000


def test_a_guest_goes_with_its_host(desk: Desk) -> None:
    desk.call(HOST)
    desk.command(Join(GUEST, HOST))
    desk.command(Join(SECOND, HOST))
    desk.command(play(GUEST, 400))
    desk.command(Close(HOST))
    assert closed(desk) == [SECOND, GUEST, HOST]
    assert [(event.leg, event.is_stopped) for event in desk.of(ItemDone)] == [(GUEST, True)]
    assert desk.of(LoadReport)[-1].legs == 0
    desk.command(Close(GUEST))
    assert closed(desk)[-1] == GUEST


def test_what_is_done_to_the_line_of_a_guest_is_done_to_its_host(desk: Desk) -> None:
    ann, ben = desk.call(HOST), desk.call(2)
    desk.command(Join(GUEST, HOST))
    desk.command(Ring(GUEST))
    since = desk.now
    desk.run(0.3)
    assert tone_level(ann.heard_pcm(8000, since), 425, 8000) > 300
    desk.command(Bridge(2, GUEST))
    since = desk.now
    ben.say(tone(1000, 8000, 1000), 8000)
    desk.run(0.5)
    assert tone_level(ann.heard_pcm(8000, since)[1600:], 1000, 8000) > 5000
    desk.command(Bridge(HOST, GUEST))
    since = desk.now
    desk.run(0.2)
    assert tone_level(ann.heard_pcm(8000, since), 1000, 8000) > 5000, "nobody is bridged with himself"


def test_another_codec_of_the_host_is_the_guests_too(desk: Desk) -> None:
    ann = desk.call(HOST)
    desk.command(Join(GUEST, HOST))
    desk.command(Connect(HOST, ann.address, "PCMA", 8, 101))
    ann.codec = "PCMA"
    desk.command(play(GUEST, 1000))
    since = desk.now
    desk.run(0.4)
    assert tone_level(ann.heard_pcm(8000, since), 1000, 8000) > 5000


def test_a_guest_is_cleared_for_its_next_user(desk: Desk) -> None:
    ann = desk.call(HOST)
    desk.command(Join(GUEST, HOST))
    desk.command(play(GUEST, 400))
    desk.command(Clear(GUEST))
    assert [event.leg for event in desk.of(Cleared)] == [GUEST]
    desk.command(play(GUEST, 1000))
    since = desk.now
    desk.run(0.3)
    assert tone_level(ann.heard_pcm(8000, since), 1000, 8000) > 5000


def test_nobody_is_the_guest_of_a_leg_that_is_not_there(desk: Desk) -> None:
    desk.command(Join(GUEST, HOST))
    desk.command(Mute(GUEST, 3))
    desk.command(Close(GUEST))
    assert closed(desk) == [GUEST]
