"""Two legs whose far ends hear each other, and the ringing tone before that."""

import pytest
from desk import Desk

from ivrnode.audio.format import WIRE_FORMATS, AudioFormat
from ivrnode.audio.g711 import ulaw_to_pcm
from ivrnode.audio.tones import ringing_tone
from ivrnode.media.messages import (
    Audio,
    Bridge,
    Clear,
    Cleared,
    Close,
    Connect,
    ItemDone,
    Play,
    Ring,
    SendDigits,
    Stream,
    Unbridge,
)
from sound import tone, tone_level

CODECS = ("PCMU", "PCMA", "G722")


@pytest.fixture
def desk() -> Desk:
    return Desk()


def late_heard(desk: Desk, phone: int, since: float, rate: int = 8000) -> bytes:
    """What a phone has heard since then, without the first 200 ms."""
    return desk.phones[phone].heard_pcm(rate, since)[200 * rate // 500 :]


@pytest.mark.parametrize("first", CODECS)
@pytest.mark.parametrize("second", CODECS)
def test_each_far_end_hears_the_other(desk: Desk, first: str, second: str) -> None:
    ann, ben = desk.call(1, first), desk.call(2, second)
    desk.command(Bridge(1, 2))
    since = desk.now
    ann.say(tone(400, 16000, 1000), 16000)
    ben.say(tone(1000, 16000, 1000), 16000)
    desk.run(0.9)
    for phone, own, other in ((0, 400, 1000), (1, 1000, 400)):
        heard = late_heard(desk, phone, since)
        assert tone_level(heard, other, 8000) > 8000
        assert tone_level(heard, own, 8000) < 500


@pytest.mark.parametrize("codec", CODECS)
def test_where_the_codecs_match_the_bytes_go_through(desk: Desk, codec: str) -> None:
    ann, ben = desk.call(1, codec), desk.call(2, codec)
    desk.command(Bridge(2, 1))
    since = desk.now
    said = bytes(range(160)) * 25
    ann.voice = (said[start : start + 160] for start in range(0, len(said), 160))
    desk.run(0.8)
    assert said in ben.heard(since)


def test_nothing_waits_between_the_jitter_buffers(desk: Desk) -> None:
    ann, ben = desk.call(1), desk.call(2)
    desk.command(Bridge(1, 2))
    ann.voice = iter([bytes([number]) * 160 for number in range(100)])
    start = desk.now
    desk.run(1.0)
    came = {packet.payload[0]: at for at, packet, _ in ben.wire.sent if at > start and packet.payload[0] < 100}
    assert max(came[number] - (start + 0.02 * number) for number in range(40)) < 0.1


def test_lost_packets_are_concealed_on_the_way(desk: Desk) -> None:
    ann, ben = desk.call(1), desk.call(2, "PCMA")
    desk.command(Bridge(1, 2))
    ann.fate = lambda number: 0 if number % 7 == 3 else 1
    since = desk.now
    ann.say(tone(400, 8000, 2000), 8000)
    desk.run(1.9)
    assert tone_level(late_heard(desk, 1, since), 400, 8000) > 6000
    assert [packet.sequence_number for _, packet, _ in ben.wire.sent] == [
        (ben.wire.sent[0][1].sequence_number + n) & 0xFFFF for n in range(len(ben.wire.sent))
    ]


def test_the_script_hears_silence_meanwhile(desk: Desk) -> None:
    ann, ben = desk.call(1), desk.call(2)
    desk.command(Stream(1, "g711_ulaw", interval_ms=100), Bridge(1, 2))
    for phone in (ann, ben):
        phone.say(tone(400, 8000, 2000), 8000)
    desk.run(1.0)
    chunks = desk.of(Audio)
    assert len(chunks) == 10 and {chunk.audio for chunk in chunks} == {b"\xff" * 800}
    desk.command(Unbridge(1))
    desk.run(0.5)
    assert tone_level(ulaw_to_pcm(desk.of(Audio)[-1].audio), 400, 8000) > 8000


@pytest.mark.parametrize("codec", CODECS)
def test_after_the_bridge_each_playout_is_heard_again(desk: Desk, codec: str) -> None:
    desk.call(1, codec)
    ben = desk.call(2, codec)
    desk.command(Bridge(1, 2), Play(1, 1, "pcm16", 8000, tone(700, 8000, 1000)))
    desk.run(0.5)
    assert not desk.of(ItemDone)
    desk.command(Unbridge(2))
    since = desk.now
    ben.say(tone(400, 16000, 1000), 16000)
    desk.run(0.9)
    assert tone_level(late_heard(desk, 0, since), 700, 8000) > 8000
    assert tone_level(late_heard(desk, 0, since), 400, 8000) < 500
    desk.run(0.2)
    [done] = desk.of(ItemDone)
    assert (done.played_ms, done.is_stopped) == (1000, False)


def test_the_end_of_one_leg_frees_the_other(desk: Desk) -> None:
    desk.call(1)
    ben = desk.call(2)
    desk.command(Bridge(1, 2))
    desk.run(0.1)
    desk.command(Close(1), Play(2, 1, "pcm16", 8000, tone(700, 8000, 200)))
    since = desk.now
    desk.run(0.5)
    assert tone_level(ben.heard_pcm(8000, since)[800:2400], 700, 8000) > 8000
    assert desk.of(ItemDone)[-1].played_ms == 200


def test_bridging_what_is_not_there_changes_nothing(desk: Desk) -> None:
    ann = desk.call(1)
    desk.command(Bridge(1, 1), Bridge(1, 9), Bridge(9, 1), Unbridge(9), Ring(9))
    desk.command(Play(1, 1, "pcm16", 8000, tone(700, 8000, 200)))
    since = desk.now
    desk.run(0.4)
    assert tone_level(ann.heard_pcm(8000, since)[:2400], 700, 8000) > 8000


def test_a_third_leg_takes_the_place_of_the_second(desk: Desk) -> None:
    ann, ben, eve = desk.call(1), desk.call(2), desk.call(3)
    desk.command(Bridge(1, 2))
    desk.run(0.1)
    desk.command(Bridge(3, 1))
    since = desk.now
    ann.say(tone(400, 8000, 1000), 8000)
    desk.run(0.9)
    assert tone_level(late_heard(desk, 2, since), 400, 8000) > 8000
    assert tone_level(late_heard(desk, 1, since), 400, 8000) < 10
    assert ben.wire.sent and eve.wire.sent


def test_keys_can_be_sent_while_a_bridge_is_up(desk: Desk) -> None:
    desk.call(1)
    ben = desk.call(2)
    desk.command(Bridge(1, 2), SendDigits(2, "7"))
    desk.run(0.3)
    assert {packet.payload_type for _, packet, _ in ben.wire.sent[-12:]} == {0, 101}


def test_another_codec_in_the_middle_of_it(desk: Desk) -> None:
    ann, ben = desk.call(1), desk.call(2)
    desk.command(Bridge(1, 2))
    desk.run(0.2)
    desk.command(Connect(2, ben.address, "PCMA", 8, 101))
    ben.codec = "PCMA"
    since = desk.now
    ann.say(tone(400, 8000, 1000), 8000)
    ben.say(tone(1000, 8000, 1000), 8000)
    desk.run(0.9)
    assert tone_level(late_heard(desk, 1, since), 400, 8000) > 8000
    assert tone_level(late_heard(desk, 0, since), 1000, 8000) > 8000


# Ringing.


@pytest.mark.parametrize("codec", CODECS)
def test_ringing_is_a_second_of_425_hz_every_five(desk: Desk, codec: str) -> None:
    ann = desk.call(1, codec)
    since = desk.now
    desk.command(Ring(1))
    desk.run(6.5)
    heard = ann.heard_pcm(8000, since)

    def level(start: float, end: float) -> float:
        return tone_level(heard[int(start * 16000) : int(end * 16000)], 425, 8000)

    assert level(0.1, 0.9) > 3000 and level(5.1, 5.9) > 3000
    assert level(1.2, 4.8) < 20 and level(6.1, 6.4) < 20


def test_ringing_stops_for_the_answer_or_for_the_script(desk: Desk) -> None:
    ann = desk.call(1)
    desk.call(2)
    for end in (Bridge(1, 2), Unbridge(1)):
        desk.command(Ring(1))
        desk.run(0.3)
        desk.command(end)
        since = desk.now
        desk.run(0.4)
        assert tone_level(ann.heard_pcm(8000, since)[320:], 425, 8000) < 20


def test_the_stream_gives_silence_while_it_rings_and_does_not_stop(desk: Desk) -> None:
    ann = desk.call(1)
    desk.command(Stream(1, "g711_ulaw", interval_ms=20), Ring(1))
    ann.say(tone(400, 8000, 1000), 8000)
    desk.run(0.5)
    assert len(desk.of(Audio)) == 25 and {chunk.audio for chunk in desk.of(Audio)} == {b"\xff" * 160}


@pytest.mark.parametrize("format", [*WIRE_FORMATS.values(), AudioFormat("pcm16", 16000)], ids=str)
def test_the_tone_is_one_period_to_the_byte(format: AudioFormat) -> None:
    assert len(ringing_tone(format)) == format.size(5000)


# Another user.


def test_clearing_ends_what_was_and_counts_anew(desk: Desk) -> None:
    desk.call(1)
    ben = desk.call(2)
    desk.command(Stream(1, "g711_ulaw", interval_ms=100), Play(1, 1, "pcm16", 8000, b"", is_last=False, tag="t"))
    desk.command(Play(1, 2, "pcm16", 8000, tone(700, 8000, 500), tag="t"), Bridge(1, 2))
    desk.run(0.15)
    desk.command(Clear(1), Clear(9))
    assert [type(event) for event in desk.events[-5:]] == [Audio, ItemDone, ItemDone, Cleared, Cleared]
    desk.run(0.2)
    assert isinstance(desk.events[-1], Cleared)
    desk.phones[0].say(tone(400, 8000, 500), 8000)
    since = desk.now
    desk.run(0.4)
    assert tone_level(ben.heard_pcm(8000, since)[3200:], 400, 8000) > 8000
    desk.command(Unbridge(1), Play(1, 1, "pcm16", 8000, tone(700, 8000, 100)))
    desk.run(0.3)
    assert desk.of(ItemDone)[-1] == ItemDone(1, 1, 100)
