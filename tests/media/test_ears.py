"""Who listens to a leg: the gate of a stream, the watch for speech, and how a recording ends."""

from __future__ import annotations

import pytest
from desk import Desk, Phone
from hypothesis import given
from hypothesis import strategies as st

from ivrnode.audio.format import AudioFormat
from ivrnode.audio.vad import Edge
from ivrnode.media.gate import Gate
from ivrnode.media.messages import (
    Audio,
    Clear,
    Digit,
    HearKeys,
    Play,
    Record,
    Recorded,
    Speech,
    Stream,
    Watch,
    Withheld,
)
from ivrnode.media.voice import QUIET_MS
from ivrnode.realtime.input_buffer import InputAudioBuffer, SpeechStarted, SpeechStopped
from sound import tone, tone_level

RATE = 8000
GATED = Stream(1, "g711_ulaw", interval_ms=60, pre_roll_ms=300, hang_over_ms=800)


def said(ms: float, amplitude: int = 6000) -> bytes:
    return tone(300, RATE, ms, amplitude)


def pause(ms: int) -> bytes:
    return bytes(16 * ms)


@pytest.fixture
def desk() -> Desk:
    return Desk()


def talk(desk: Desk, phone: Phone, pcm: bytes) -> None:
    phone.say(pcm, RATE)
    desk.run(len(pcm) / 16000)


@pytest.mark.parametrize("codec", ["PCMU", "G722"])
@pytest.mark.parametrize("interval_ms", [20, 60, 500])
def test_the_gate_lets_speech_through_with_its_pre_roll_and_hang_over(desk: Desk, codec: str, interval_ms: int) -> None:
    phone = desk.call(codec=codec)
    desk.command(Stream(1, "pcm16", 8000, interval_ms, 300, 800))
    talk(desk, phone, pause(3000) + said(1000) + pause(4000))
    desk.command(Stream(1, ""))
    chunks = [event.audio for event in desk.of(Audio)]
    assert all(len(chunk) == 16 * interval_ms for chunk in chunks)
    passed = b"".join(chunks)
    loud = [at for at in range(0, len(passed), 320) if tone_level(passed[at : at + 320], 300, RATE) > 500]
    first, last = loud[0], loud[-1]
    assert 300 <= first / 16 < 300 + 100 + interval_ms
    assert 800 <= (len(passed) - last) / 16 < 800 + 160 + 2 * interval_ms
    assert 950 < (last - first) / 16 <= 1060
    [withheld] = desk.of(Withheld)
    assert withheld.bytes == 16 * withheld.ms
    assert abs(withheld.ms + len(passed) // 16 - 8000) <= interval_ms


@pytest.mark.parametrize("silence_ms", [200, 500, 700])
def test_a_service_that_gets_only_what_passes_finds_the_same_turns(desk: Desk, silence_ms: int) -> None:
    phone = desk.call()
    desk.command(GATED)
    talk(desk, phone, pause(2000) + said(900) + pause(5000) + said(1500) + pause(4000))
    service = InputAudioBuffer(AudioFormat("g711_ulaw", RATE), detects_turns=True, silence_ms=silence_ms, prefix_ms=300)
    edges = [edge for event in desk.of(Audio) for edge in service.append(event.audio)]
    assert [type(edge) for edge in edges] == [SpeechStarted, SpeechStopped] * 2
    for edge, spoken_ms in zip(edges[1::2], (900, 1500), strict=True):
        assert isinstance(edge, SpeechStopped)
        assert abs(edge.utterance.seconds * 1000 - 300 - spoken_ms - silence_ms) <= 100


def test_a_short_pause_does_not_close_the_gate(desk: Desk) -> None:
    phone = desk.call()
    desk.command(GATED)
    talk(desk, phone, pause(1000) + said(500) + pause(700) + said(500) + pause(700) + said(500))
    desk.command(Stream(1, ""))
    assert sum(len(event.audio) for event in desk.of(Audio)) >= 8 * (300 + 2900 - 60)


def test_without_a_gate_nothing_is_withheld_or_told(desk: Desk) -> None:
    phone = desk.call()
    desk.command(Stream(1, "g711_ulaw"))
    talk(desk, phone, pause(600))
    desk.command(Stream(1, ""))
    assert sum(len(event.audio) for event in desk.of(Audio)) == 8 * 600
    assert not desk.of(Withheld)


def test_the_end_of_the_leg_tells_what_was_withheld(desk: Desk) -> None:
    phone = desk.call()
    desk.command(GATED)
    talk(desk, phone, pause(1200))
    desk.end()
    assert desk.of(Withheld) == [Withheld(1, 1200, 9600)]
    assert not desk.of(Audio)


@given(
    edges=st.lists(st.integers(0, 4000), unique=True).map(sorted),
    interval=st.sampled_from([20, 60, 100, 500]),
    pre_roll=st.integers(300, 1000),
    hang_over=st.integers(800, 2000),
)
def test_whatever_passes_is_in_order_and_what_does_not_is_counted(
    edges: list[int], interval: int, pre_roll: int, hang_over: int
) -> None:
    gate = Gate(pre_roll, hang_over, is_speech=False)
    turns = [Edge(number % 2 == 0, at) for number, at in enumerate(edges)]
    passed = bytearray()
    for end in range(interval, 5000, interval):
        while turns and turns[0].at_ms <= end:
            gate.turn(turns.pop(0))
        for chunk in gate.feed(bytes((end // interval % 256,)), end - interval, end):
            passed += chunk
    gate.close()
    assert list(passed) == sorted(passed)
    assert len(set(passed)) == len(passed)
    assert len(passed) + gate.withheld_bytes == len(range(interval, 5000, interval))


def test_the_watch_tells_when_the_far_end_starts_and_stops(desk: Desk) -> None:
    phone = desk.call()
    desk.command(Watch(1, is_on=True))
    talk(desk, phone, pause(900) + said(800))
    assert desk.of(Speech) == [Speech(1, is_speech=True)]
    began = desk.now
    talk(desk, phone, pause(1500))
    assert desk.of(Speech)[1:] == [Speech(1, is_speech=False, quiet_ms=QUIET_MS)]
    desk.command(Watch(1, is_on=False))
    talk(desk, phone, said(500))
    assert len(desk.of(Speech)) == 2
    assert not desk.of(Audio)
    assert desk.now - began < 3


def test_who_begins_to_watch_hears_of_speech_that_goes_on(desk: Desk) -> None:
    phone = desk.call()
    desk.command(GATED)
    talk(desk, phone, pause(600) + said(600))
    assert not desk.of(Speech)
    desk.command(Watch(1, is_on=True))
    assert desk.of(Speech) == [Speech(1, is_speech=True)]


@pytest.mark.parametrize(("echo", "is_heard"), [(800, False), (6000, True)])
def test_what_comes_back_of_our_own_sound_is_no_speech(desk: Desk, echo: int, is_heard: bool) -> None:
    """An echo 18 dB below what is played does not count; a caller as loud as the bot does."""
    phone = desk.call()
    desk.command(Watch(1, is_on=True))
    talk(desk, phone, pause(1000))
    desk.command(Play(1, 1, "pcm16", 8000, said(2000)))
    talk(desk, phone, pause(200) + said(1500, echo))
    assert bool(desk.of(Speech)) is is_heard


def test_the_same_echo_counts_while_nothing_is_played(desk: Desk) -> None:
    phone = desk.call()
    desk.command(Watch(1, is_on=True))
    talk(desk, phone, pause(1000) + said(800, 800))
    assert desk.of(Speech) == [Speech(1, is_speech=True)]


def test_a_watch_goes_on_in_another_codec(desk: Desk) -> None:
    phone = desk.call()
    desk.command(Watch(1, is_on=True))
    talk(desk, phone, pause(600))
    phone.codec = "G722"
    desk.command(desk.connect(1, "G722"))
    talk(desk, phone, pause(600) + said(800))
    assert desk.of(Speech) == [Speech(1, is_speech=True)]


def test_a_recording_ends_with_its_last_part_even_when_nothing_is_left(desk: Desk) -> None:
    phone = desk.call()
    desk.command(Record(1, is_on=True))
    talk(desk, phone, said(240))
    desk.command(Record(1, is_on=False), Record(1, is_on=True), Record(1, is_on=False), Record(1, is_on=False))
    parts = desk.of(Recorded)
    assert [(len(part.heard), len(part.said), part.is_last) for part in parts] == [
        (1600, 1600, False),
        (1600, 1600, False),
        (640, 640, True),
        (0, 0, True),
    ]


@pytest.mark.parametrize("codec", ["PCMU", "PCMA", "G722"])
def test_keys_in_tones_are_heard_where_they_are_asked_for(desk: Desk, codec: str) -> None:
    phone = desk.call(1, codec)
    five = mixed(tone(770, RATE, 100, 5000), tone(1336, RATE, 100, 5000))
    talk(desk, phone, five + pause(200))
    assert desk.of(Digit) == []
    desk.command(HearKeys(1))
    talk(desk, phone, pause(100) + five + pause(100) + said(300) + five + pause(200))
    assert desk.of(Digit) == [Digit(1, "5")] * 2
    desk.command(Clear(1))
    talk(desk, phone, five + pause(200))
    assert len(desk.of(Digit)) == 2


def mixed(one: bytes, other: bytes) -> bytes:
    return b"".join(
        (int.from_bytes(one[at : at + 2], "little", signed=True)
         + int.from_bytes(other[at : at + 2], "little", signed=True)).to_bytes(2, "little", signed=True)
        for at in range(0, len(one), 2)
    )  # fmt: skip
