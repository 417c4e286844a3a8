"""Recordings of legs that are bridged, ring or wait for a guest: both sides, whatever the script may hear."""

from __future__ import annotations

import pytest
from desk import Desk

from ivrnode.media.instead import Crossing
from ivrnode.media.messages import (
    Audio,
    Bridge,
    Clear,
    Close,
    Connect,
    Join,
    Play,
    Record,
    Recorded,
    Ring,
    Speech,
    Stream,
    Unbridge,
    Watch,
)
from sound import tone, tone_level

CODECS = ("PCMU", "PCMA", "G722")


@pytest.fixture
def desk() -> Desk:
    return Desk()


def recorded(desk: Desk, leg: int = 1, without_ms: int = 0) -> tuple[bytes, bytes]:
    """Heard and said, without the first so many ms."""
    parts = [event for event in desk.of(Recorded) if event.leg == leg]
    heard, said = b"".join(part.heard for part in parts), b"".join(part.said for part in parts)
    assert len(heard) == len(said)
    return heard[16 * without_ms :], said[16 * without_ms :]


def assert_only(pcm: bytes, hertz: int, other: int) -> None:
    assert tone_level(pcm, hertz, 8000) > 7000
    assert tone_level(pcm, other, 8000) < 500


def talk(desk: Desk, ms: int = 1000) -> None:
    desk.phones[0].say(tone(400, 16000, ms), 16000)
    desk.phones[1].say(tone(1000, 16000, ms), 16000)


@pytest.mark.parametrize("is_late", [False, True])
@pytest.mark.parametrize("first", CODECS)
@pytest.mark.parametrize("second", CODECS)
def test_both_sides_of_a_bridge_are_recorded(desk: Desk, first: str, second: str, is_late: bool) -> None:
    desk.call(1, first)
    desk.call(2, second)
    commands = [Record(1, True), Bridge(1, 2)]
    desk.command(*(reversed(commands) if is_late else commands))
    talk(desk)
    desk.run(0.9)
    heard, said = recorded(desk, without_ms=250)
    assert_only(heard, 400, 1000)
    assert_only(said, 1000, 400)
    assert len(recorded(desk)[0]) >= 16 * 800


def test_both_legs_may_be_recorded(desk: Desk) -> None:
    desk.call(1, "G722")
    desk.call(2, "G722")
    desk.command(Record(1, True), Record(2, True), Bridge(1, 2))
    talk(desk)
    desk.run(0.9)
    for leg, own, other in ((1, 400, 1000), (2, 1000, 400)):
        heard, said = recorded(desk, leg, without_ms=250)
        assert_only(heard, own, other)
        assert_only(said, other, own)


@pytest.mark.parametrize("codec", CODECS)
def test_a_recording_changes_nothing_on_the_wire(desk: Desk, codec: str) -> None:
    ann, ben = desk.call(1, codec), desk.call(2, codec)
    desk.command(Bridge(1, 2), Record(1, True), Record(2, True))
    since = desk.now
    said = bytes(range(160)) * 25
    ann.voice = (said[start : start + 160] for start in range(0, len(said), 160))
    desk.run(0.8)
    assert said in ben.heard(since)


def test_the_script_hears_nothing_of_it(desk: Desk) -> None:
    desk.call(1)
    desk.call(2)
    desk.command(Stream(1, "g711_ulaw", interval_ms=100), Record(1, True), Bridge(1, 2))
    talk(desk, 2000)
    desk.run(1.0)
    assert len(desk.of(Audio)) == 10 and {chunk.audio for chunk in desk.of(Audio)} == {b"\xff" * 800}


def test_who_waits_for_silence_hears_the_two_talk(desk: Desk) -> None:
    """Or `record(silence=5)` would end in the middle of a conversation."""
    desk.call(1)
    desk.call(2)
    desk.command(Watch(1, True), Record(1, True), Bridge(1, 2))
    desk.run(0.5)
    talk(desk, 1000)
    desk.run(2.0)
    assert [event.is_speech for event in desk.of(Speech)] == [True, False]


def test_without_a_recording_frames_take_no_detour(desk: Desk) -> None:
    desk.call(1)
    desk.call(2)
    first, second = desk.engine._legs[1], desk.engine._legs[2]
    desk.command(Stream(1, "g711_ulaw"), Bridge(1, 2))
    crossing = second._instead
    assert isinstance(crossing, Crossing) and crossing.speaker is first
    desk.command(Record(1, True))
    assert crossing.speaker is not first
    desk.command(Record(1, False))
    assert crossing.speaker is first and first._overheard is None
    desk.command(Record(1, True), Unbridge(2))
    assert first._overheard is None
    desk.command(Record(1, False), Ring(1))
    assert not first._is_listening  # nor does a jitter buffer run for nobody


def test_another_codec_in_the_middle_of_it(desk: Desk) -> None:
    desk.call(1)
    ben = desk.call(2)
    desk.command(Record(1, True), Bridge(1, 2))
    desk.run(0.2)
    desk.command(Connect(2, ben.address, "G722", 9, 101))
    ben.codec = "G722"
    talk(desk)
    desk.run(0.9)
    heard, said = recorded(desk, without_ms=450)
    assert_only(heard, 400, 1000)
    assert_only(said, 1000, 400)


@pytest.mark.parametrize("codec", CODECS)
def test_what_was_missed_is_silence(desk: Desk, codec: str) -> None:
    """The engine came too late: as much is in the recording, and it is no noise."""
    desk.call(1, codec)
    desk.call(2, codec)
    desk.command(Record(1, True), Bridge(1, 2))
    desk.run(0.5)
    before = len(recorded(desk)[0])
    desk.sleep(0.6)
    desk.catch_up()
    heard, said = recorded(desk)
    assert len(heard) - before >= 16 * 500
    assert max(map(abs, memoryview(heard[before:] + said[before:]).cast("h"))) < 300


# Ringing and guests.


@pytest.mark.parametrize("codec", CODECS)
def test_the_ringing_tone_and_who_hears_it_are_recorded(desk: Desk, codec: str) -> None:
    ann = desk.call(1, codec)
    desk.command(Record(1, True), Ring(1))
    ann.say(tone(1000, 16000, 1000), 16000)
    desk.run(0.9)
    heard, said = recorded(desk, without_ms=250)
    assert_only(heard, 1000, 425)
    assert tone_level(said, 425, 8000) > 2500 and tone_level(said, 1000, 8000) < 500


@pytest.mark.parametrize("is_bridged", [False, True])
def test_who_lends_his_caller_to_a_guest_records_both(desk: Desk, is_bridged: bool) -> None:
    ann = desk.call(1)
    desk.command(Record(1, True), Stream(1, "g711_ulaw", interval_ms=100), Join(7, 1))
    if is_bridged:
        desk.call(2).say(tone(1000, 16000, 1000), 16000)
        desk.command(Bridge(7, 2))
    else:
        desk.command(Play(7, 1, "pcm16", 8000, tone(1000, 8000, 1000)))
    since = len(recorded(desk)[0])
    ann.say(tone(400, 16000, 1000), 16000)
    desk.run(0.9)
    heard, said = recorded(desk)
    assert_only(heard[since + 4000 :], 400, 1000)
    assert_only(said[since + 4000 :], 1000, 400)
    assert {chunk.audio for chunk in desk.of(Audio)[1:]} == {b"\xff" * 800}


# Another user.


def test_a_recording_may_outlive_who_began_it(desk: Desk) -> None:
    desk.call(1)
    desk.call(2)
    desk.command(Record(1, True), Watch(1, True), Stream(1, "g711_ulaw"), Bridge(1, 2))
    desk.run(0.5)
    desk.command(Clear(1, keeps_recording=True))
    count = len(desk.of(Audio))
    assert not any(part.is_last for part in desk.of(Recorded))
    talk(desk)
    desk.run(0.9)
    heard, said = recorded(desk, without_ms=750)
    assert_only(heard, 400, 1000)
    assert_only(said, 1000, 400)
    assert len(desk.of(Audio)) == count and desk.of(Speech)
    desk.command(Close(1))
    assert desk.of(Recorded)[-1].is_last


def test_clearing_ends_a_recording_that_is_not_to_be_kept(desk: Desk) -> None:
    desk.call(1)
    desk.command(Record(1, True), Watch(1, True), Clear(1))
    assert desk.of(Recorded)[-1].is_last
    desk.command(Clear(1, keeps_recording=True))
    assert not desk.engine._legs[1].ears.is_open
