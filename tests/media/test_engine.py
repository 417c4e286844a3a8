"""The engine through its doors, on a virtual clock. Numbers in names: the behaviours of the script API."""

import random
import struct
from itertools import pairwise

import pytest
from desk import PAYLOAD_TYPES, Desk, Phone
from hypothesis import given, settings
from hypothesis import strategies as st

from ivrnode.audio.converter import Converter
from ivrnode.audio.format import WIRE_FORMATS, AudioFormat
from ivrnode.media import messages
from ivrnode.media.messages import (
    Answer,
    Ask,
    Audio,
    Close,
    Closed,
    Connect,
    Digit,
    Drained,
    Fail,
    FirstAudio,
    FirstPacket,
    ItemDone,
    LoadReport,
    Mute,
    NoRtp,
    Open,
    Opened,
    OpenFailed,
    Play,
    Record,
    Recorded,
    SendDigits,
    Start,
    Statistics,
    StopItem,
    Stream,
)
from ivrnode.rtp.rtcp import Goodbye, SenderReport, parse_compound
from sound import decibels, samples, tone, tone_level

SILENCE = b"\xff" * 160


def ulaw(pcm: bytes, rate: int = 8000) -> bytes:
    return Converter(AudioFormat("pcm16", rate), WIRE_FORMATS["PCMU"]).convert(pcm)


@pytest.fixture
def desk() -> Desk:
    return Desk()


# The life of a leg.


def test_open_connect_close(desk: Desk) -> None:
    phone = desk.call()
    assert desk.of(Opened) == [Opened(1, ("192.0.2.1", 10000))]
    assert desk.of(FirstPacket) == [FirstPacket(1)]
    desk.run(1.0)
    desk.end()
    assert [type(event) for event in desk.events[-3:]] == [Statistics, Closed, LoadReport]
    assert phone.wire.is_closed
    assert desk.engine.next_tick is None


def test_no_port_left(desk: Desk) -> None:
    desk.is_full = True
    desk.command(Open(1, "192.0.2.1"))
    assert desk.events == [OpenFailed(1, "no RTP port pair is free")]
    desk.is_full = False
    desk.command(Open(2, "192.0.2.1"), Open(2, "192.0.2.1"))
    assert isinstance(desk.events[-1], OpenFailed)
    assert len(desk.wires) == 1


def test_commands_for_a_leg_that_is_gone_are_harmless(desk: Desk) -> None:
    desk.call()
    desk.end()
    desk.events.clear()
    desk.command(
        Play(1, 1, "g711_ulaw", 8000, SILENCE),
        Fail(1, 1, "x"),
        Start(1),
        desk.connect(1),
        Stream(1, "pcm16"),
        Record(1, is_on=True),
        SendDigits(1, "1"),
        Mute(1, 5),
        StopItem(1, 1, 6),
        Ask(1, "queued", "", 7),
        Close(1),
    )
    assert desk.events == [Answer(1, 5, 0), Answer(1, 6, 0), Answer(1, 7, 0), Closed(1)]


def test_what_a_script_may_get_wrong_raises_nothing(desk: Desk) -> None:
    desk.call()
    desk.command(
        Play(1, 1, "opus", 48000, b"x"),
        Play(1, 2, "pcm16", 7, b"xx"),
        Play(1, 3, "pcm16", 24000, b"odd"),
        Stream(1, "mp3", 1, -5),
        Stream(1, "pcm16", 16000),
        Stream(1, "", 0),
        SendDigits(1, "?!"),
        Ask(1, "item", "no number", 1),
        Ask(1, "what", "", 2),
    )
    desk.run(0.2)
    done = {event.item: event for event in desk.of(ItemDone)}
    assert "opus" in done[1].error
    assert "rate 7" in done[2].error
    assert done[3].error == ""


# What is said.


def test_silence_is_sent_while_there_is_nothing_to_say_and_the_clock_runs_on(desk: Desk) -> None:
    phone = desk.call()
    start = desk.now
    desk.run(0.5)
    desk.command(Play(1, 1, "g711_ulaw", 8000, b"a" * 160))
    desk.run(0.5)
    packets = [packet for at, packet, _ in phone.wire.sent if at > start]
    assert len(packets) == 50
    assert {packet.payload for packet in packets} == {SILENCE, b"a" * 160}
    for earlier, later in pairwise(packets):
        assert (later.timestamp - earlier.timestamp) & 0xFFFFFFFF == 160
        assert (later.sequence_number - earlier.sequence_number) & 0xFFFF == 1


def test_1_order_is_the_scripts_order_even_if_the_audio_was_ready_first(desk: Desk) -> None:
    phone = desk.call()
    start = desk.now
    desk.command(Play(1, 1, "pcm16", 16000, b"", is_last=False), Play(1, 2, "g711_ulaw", 8000, b"b" * 1600))
    desk.run(0.3)
    assert phone.heard(start).count(b"b") == 0
    desk.command(Play(1, 1, "g711_ulaw", 8000, b"a" * 1600))
    desk.run(0.5)
    heard = phone.heard(start).replace(b"\xff", b"")
    assert heard == b"a" * 1600 + b"b" * 1600


def test_2_ten_seconds_given_at_once_play_for_ten_seconds_without_gap_or_repeat(desk: Desk) -> None:
    phone = desk.call()
    start = desk.now
    audio = bytes(number % 255 for number in range(80_000))
    for number, at in enumerate(range(0, 80_000, 1000)):
        desk.command(Play(1, number, "g711_ulaw", 8000, audio[at : at + 1000]))
        desk.run(0.01)
    desk.run(8.0)
    assert desk.of(Drained) == []
    desk.run(1.3)
    heard = phone.heard(start)
    begin = heard.index(audio[:50])
    assert heard[begin : begin + 80_000] == audio
    assert heard[begin + 80_000 :].strip(b"\xff") == b""
    assert desk.of(Drained) == [Drained(1)]


def test_3_and_4_mute_is_heard_with_the_next_frame_and_new_sound_after_it(desk: Desk) -> None:
    phone = desk.call()
    desk.command(Play(1, 1, "g711_ulaw", 8000, b"o" * 16_000), Stream(1, "g711_ulaw"))
    desk.run(0.5)
    desk.command(Mute(1, 9))
    (answer,) = desk.of(Answer)
    assert 1480 <= answer.value <= 1500
    at = desk.now
    desk.run(0.1)
    assert b"o" not in phone.heard(at + 1e-6)
    desk.command(Play(1, 2, "g711_ulaw", 8000, b"n" * 1600))
    desk.run(0.5)
    assert phone.heard(at + 1e-6).replace(b"\xff", b"") == b"n" * 1600
    assert len(desk.of(Audio)) == pytest.approx(1.1 / 0.06, abs=1)


def test_5_played_ms_is_the_audio_in_sent_packets(desk: Desk) -> None:
    phone = desk.call()
    start = desk.now
    for number in range(10):
        desk.command(Play(1, number, "g711_ulaw", 8000, b"x" * 804, tag="item_1"))
    for _ in range(40):
        desk.run(0.015)
        desk.command(Ask(1, "tag", "item_1", 1))
        asked = desk.of(Answer)[-1].value
        sent = phone.heard(start).count(b"x") / 8
        assert sent - 20 <= asked <= sent
    desk.command(Mute(1, 2))
    desk.run(0.5)
    desk.command(Ask(1, "tag", "item_1", 3), Ask(1, "tag", "other", 4), Ask(1, "queued", "", 5))
    values = {answer.request: answer.value for answer in desk.of(Answer)}
    assert values[3] == phone.heard(start).count(b"x") // 8
    assert (values[4], values[5]) == (0, 0)


def test_6_done_comes_after_the_last_packet_and_stop_drops_one_item_only(desk: Desk) -> None:
    phone = desk.call()
    for number, byte in enumerate((b"a", b"b", b"c")):
        desk.command(Play(1, number, "g711_ulaw", 8000, byte * 1600))
    desk.run(0.1)
    desk.command(StopItem(1, 1, 7))
    assert desk.of(Answer) == [Answer(1, 7, 200)]
    while not any(event.item == 2 for event in desk.of(ItemDone)):
        desk.run(0.005)
    heard = phone.heard()
    assert (heard.count(b"a"), heard.count(b"b"), heard.count(b"c")) == (1600, 0, 1600)
    assert desk.of(ItemDone) == [ItemDone(1, 1, 0, is_stopped=True), ItemDone(1, 0, 200), ItemDone(1, 2, 200)]


@pytest.mark.parametrize("codec", ["PCMU", "PCMA", "G722"])
@pytest.mark.parametrize("rate", [8000, 16000, 24000])
def test_9_a_tone_survives_in_both_directions(desk: Desk, codec: str, rate: int) -> None:
    phone = desk.call(codec=codec)
    desk.command(Play(1, 1, "pcm16", rate, tone(1000, rate, 1500)), Stream(1, "pcm16", rate, 500))
    phone.say(tone(1000, 8000, 2000), 8000)
    start = desk.now
    desk.run(2.2)
    said = phone.heard_pcm(since=start)[3200:16_000]
    assert abs(decibels(tone_level(said, 1000, 8000) / 10000)) < 1
    chunks = [event.audio for event in desk.of(Audio)]
    assert [len(chunk) for chunk in chunks] == [rate] * 4
    assert abs(decibels(tone_level(chunks[1] + chunks[2], 1000, rate) / 10000)) < 1


def test_first_sound_waits_for_the_first_packet(desk: Desk) -> None:
    phone = desk.call(is_talking=False)
    desk.command(Play(1, 1, "g711_ulaw", 8000, b"a" * 160))
    desk.run(0.1)
    assert b"a" not in phone.heard()
    assert len(phone.wire.sent) == 5  # silence keeps the way open meanwhile
    phone.voice = iter([SILENCE] * 2)
    desk.run(0.08)
    assert b"a" in phone.heard()
    assert desk.of(FirstAudio) == [FirstAudio(1)]


def test_first_sound_waits_for_300_ms_at_most_and_never_before_start(desk: Desk) -> None:
    desk.command(Open(1, "192.0.2.1"), desk.connect(1), Play(1, 1, "g711_ulaw", 8000, b"a" * 160))
    phone = Phone(desk.wires[0])
    desk.run(1.0)
    assert b"a" not in phone.heard()
    desk.command(Start(1))
    desk.run(0.28)
    assert b"a" not in phone.heard()
    desk.run(0.06)
    assert phone.heard().count(b"a") == 160


def test_play_before_connect_is_heard_in_the_codec_agreed_on_later(desk: Desk) -> None:
    desk.command(Open(1, "192.0.2.1"), Play(1, 1, "pcm16", 8000, tone(1000, 8000, 400)), Start(1))
    phone = Phone(desk.wires[0], "PCMA")
    desk.run(0.5)
    assert phone.wire.sent == []
    desk.command(desk.connect(1, "PCMA"))
    desk.run(0.6)
    assert {packet.payload_type for _, packet, _ in phone.wire.sent} == {8}
    assert abs(decibels(tone_level(phone.heard_pcm()[:6000], 1000, 8000) / 10000)) < 1


def test_on_hold_nothing_is_sent_and_playout_stands_still(desk: Desk) -> None:
    phone = desk.call()
    desk.command(Play(1, 1, "g711_ulaw", 8000, b"a" * 8000))
    desk.run(0.4)
    desk.command(desk.connect(1, direction="recvonly"))
    at = desk.now
    desk.run(2.0)
    assert phone.heard(at + 1e-6) == b""
    desk.command(desk.connect(1))
    desk.run(1.0)
    assert phone.heard().count(b"a") == 8000
    resumed = next(packet for sent_at, packet, _ in phone.wire.sent if sent_at > at + 1e-6)
    before = [packet for sent_at, packet, _ in phone.wire.sent if sent_at <= at + 1e-6][-1]
    assert resumed.marker
    assert (resumed.timestamp - before.timestamp) & 0xFFFFFFFF == 101 * 160


def test_another_codec_in_the_middle(desk: Desk) -> None:
    phone = desk.call()
    desk.command(Play(1, 1, "pcm16", 24000, tone(1000, 24000, 1000)), Stream(1, "pcm16", 8000, 100))
    desk.run(0.5)
    at, phone.codec = desk.now, "PCMA"
    desk.command(desk.connect(1, "PCMA"))
    phone.say(tone(500, 8000, 1000), 8000)
    desk.run(0.6)
    later = [packet for sent_at, packet, _ in phone.wire.sent if sent_at > at + 1e-6]
    assert {packet.payload_type for packet in later} == {PAYLOAD_TYPES["PCMA"]}
    assert abs(decibels(tone_level(phone.heard_pcm(since=at + 1e-6)[:6400], 1000, 8000) / 10000)) < 1
    heard = b"".join(event.audio for event in desk.of(Audio)[-4:])
    assert abs(decibels(tone_level(heard, 500, 8000) / 10000)) < 1
    assert desk.of(ItemDone) == [ItemDone(1, 1, 1000)]


def test_a_late_engine_sends_no_endless_burst_and_hears_all(desk: Desk) -> None:
    phone = desk.call()
    desk.command(Stream(1, "g711_ulaw", 8000, 20), Play(1, 1, "g711_ulaw", 8000, b"a" * 16_000))
    desk.run(0.2)
    sent, chunks = len(phone.wire.sent), len(desk.of(Audio))
    desk.sleep(1.0)
    desk.catch_up()
    assert len(phone.wire.sent) - sent <= 5
    assert len(desk.of(Audio)) - chunks == 50
    first, last = phone.wire.sent[sent - 1][1], phone.wire.sent[-1][1]
    assert (last.timestamp - first.timestamp) & 0xFFFFFFFF == 50 * 160


# What is heard.


def test_8_chunks_of_half_a_second_come_in_silence_and_across_gaps(desk: Desk) -> None:
    phone = desk.call(is_talking=False)
    desk.command(Stream(1, "g711_ulaw", 8000, 500))
    desk.run(1.0)
    phone.say(tone(1000, 8000, 3000), 8000)
    phone.fate = lambda number: 0 if 30 < number < 60 else 1
    desk.run(1.2)
    desk.command(Stream(1, ""))
    sizes = [len(event.audio) for event in desk.of(Audio)]
    assert sizes == [4000, 4000, 4000, 4000, 1600]
    desk.command(Stream(1, ""))
    desk.run(1.0)
    assert len(desk.of(Audio)) == 5


def test_a_second_stream_ends_the_first_with_its_rest(desk: Desk) -> None:
    desk.call()
    desk.command(Stream(1, "g711_ulaw", 8000, 100, stream=1))
    desk.run(0.16)
    desk.command(Stream(1, "pcm16", 16000, 40, stream=2))
    desk.run(0.2)
    chunks = [(event.stream, len(event.audio)) for event in desk.of(Audio)]
    assert chunks == [(1, 800), (1, 480)] + [(2, 1280)] * 5


def test_what_was_said_is_heard_byte_for_byte_where_codecs_match(desk: Desk) -> None:
    phone = desk.call()
    desk.command(Stream(1, "g711_ulaw", 8000, 60))
    said = [bytes((number,)) * 160 for number in range(100)]
    phone.voice = iter(said)
    desk.run(2.2)
    heard = b"".join(event.audio for event in desk.of(Audio))
    assert b"".join(said) in heard


@given(st.integers(0, 10_000), st.floats(0, 0.3), st.floats(0, 0.2))
@settings(max_examples=25, deadline=None)
def test_chunks_are_continuous_whatever_is_lost_or_doubled(seed: int, loss: float, doubled: float) -> None:
    desk, fate = Desk(), random.Random(seed)
    phone = desk.call()
    desk.command(Stream(1, "g711_ulaw", 8000, 100))
    said = [bytes((number % 250,)) * 160 for number in range(150)]
    phone.voice = iter(said)
    phone.fate = lambda number: 0 if fate.random() < loss else 2 if fate.random() < doubled else 1
    desk.run(3.0)
    chunks = [event.audio for event in desk.of(Audio)]
    assert [len(chunk) for chunk in chunks] == [800] * 30
    heard = b"".join(chunks)
    order = [heard[at] for at in range(0, len(heard), 160) if heard[at : at + 160] != SILENCE]
    assert order == sorted(order)


def test_a_lost_frame_is_the_last_one_again_then_silence(desk: Desk) -> None:
    phone = desk.call()
    desk.command(Stream(1, "g711_ulaw", 8000, 20))
    phone.voice = iter([bytes((number,)) * 160 for number in range(1, 40)])
    first = phone.number
    phone.fate = lambda number: 0 if number - first in (10, 11, 12) else 1
    desk.run(1.0)
    heard = [event.audio[0] for event in desk.of(Audio)]
    begin = heard.index(1)
    assert heard[begin : begin + 16] == [*range(1, 11), 10, 0xFF, 0xFF, 14, 15, 16]
    desk.end()
    (statistics,) = desk.of(Statistics)
    assert statistics.packets_lost == 3


def test_record_keeps_both_sides_by_one_clock(desk: Desk) -> None:
    phone = desk.call()
    desk.command(Record(1, is_on=True), Play(1, 1, "pcm16", 8000, tone(500, 8000, 1000)))
    phone.say(tone(1500, 8000, 1000), 8000)
    desk.run(0.7)
    desk.command(Mute(1, 1))
    desk.run(0.25)
    desk.command(Record(1, is_on=False))
    recorded = desk.of(Recorded)
    assert [len(event.heard) for event in recorded] == [1600] * 9 + [640]
    assert [len(event.said) for event in recorded] == [1600] * 9 + [640]
    heard = b"".join(event.heard for event in recorded)
    said = b"".join(event.said for event in recorded)
    assert abs(decibels(tone_level(heard[4000:12_000], 1500, 8000) / 10000)) < 1
    assert abs(decibels(tone_level(said[:11_000], 500, 8000) / 10000)) < 1
    assert max(map(abs, samples(said[-3200:]))) < 50  # muted: as the caller heard it


def test_11_one_digit_per_key_with_or_without_marker(desk: Desk) -> None:
    phone = desk.call()
    for digit in (5, 5, 11):
        for duration, flags in ((160, 0), (320, 0), (480, 0x80), (480, 0x80), (480, 0x80)):
            phone.send(101, struct.pack("!BBH", digit, flags | 10, duration), desk.now)
        desk.run(0.1)
    phone.send(101, b"x", desk.now)
    desk.run(0.1)
    assert desk.of(Digit) == [Digit(1, "5"), Digit(1, "5"), Digit(1, "#")]


def test_digits_are_sent_and_sound_goes_on_after_them(desk: Desk) -> None:
    phone = desk.call()
    desk.command(Play(1, 1, "g711_ulaw", 8000, b"a" * 8000))
    desk.run(0.2)
    desk.command(SendDigits(1, "1#"))
    desk.run(1.5)
    events = [packet for _, packet, _ in phone.wire.sent if packet.payload_type == 101]
    assert [packet.payload[0] for packet in events] == [1] * 7 + [11] * 7
    assert len({packet.timestamp for packet in events}) == 2
    assert [packet.marker for packet in events] == [True, *[False] * 6] * 2
    assert phone.heard().count(b"a") == 8000


def test_digits_are_dropped_when_none_were_agreed_on(desk: Desk) -> None:
    phone = desk.call()
    desk.command(Connect(1, Phone.address, "PCMU", 0, None), SendDigits(1, "123"))
    desk.run(0.5)
    assert {packet.payload_type for _, packet, _ in phone.wire.sent} == {0}


# Watching.


def test_no_rtp_is_told_every_10_s_but_not_on_hold(desk: Desk) -> None:
    desk.call(is_talking=False)
    desk.run(25.0)
    assert desk.of(NoRtp) == [NoRtp(1, 10), NoRtp(1, 20)]
    desk.command(desk.connect(1, direction="sendonly"))
    desk.run(30.0)
    assert len(desk.of(NoRtp)) == 2
    desk.command(desk.connect(1))
    desk.run(10.1)
    assert desk.of(NoRtp)[2:] == [NoRtp(1, 10)]


def test_no_rtp_counts_from_the_last_packet(desk: Desk) -> None:
    phone = desk.call()
    phone.voice = iter([SILENCE] * 300)
    desk.run(15.5)
    assert desk.of(NoRtp) == []
    desk.run(1.0)
    assert desk.of(NoRtp) == [NoRtp(1, 10)]


def test_reports_go_out_about_every_5_s_and_a_goodbye_at_the_end(desk: Desk) -> None:
    phone = desk.call()
    phone.voice = iter([SILENCE] * 3000)
    desk.run(60.0)
    assert 8 <= len(phone.wire.reports) <= 25
    _, data, address = phone.wire.reports[-1]
    assert address == (Phone.address[0], Phone.address[1] + 1)
    report = parse_compound(data)[0]
    assert isinstance(report, SenderReport)
    assert report.packets > 2000
    assert report.blocks[0].ssrc == phone.ssrc
    desk.end()
    assert isinstance(parse_compound(phone.wire.reports[-1][1])[-1], Goodbye)


def test_statistics_tell_what_happened(desk: Desk) -> None:
    phone = desk.call()
    phone.voice = iter([SILENCE] * 100)
    phone.fate = lambda number: 0 if number % 10 == 5 else 1
    desk.run(2.1)
    phone.wire.rtp_received(b"garbage", Phone.address, desk.now)
    phone.wire.rtcp_received(b"garbage", Phone.address, desk.now)
    desk.end()
    (statistics,) = desk.of(Statistics)
    assert statistics.packets_lost == 10
    assert statistics.packets_received == 103 - 10 - 1  # the first one was on probation
    assert statistics.packets_sent == len(phone.wire.sent)
    assert statistics.packets_garbage == 2
    assert statistics.jitter_ms < 0.1


def test_close_ends_what_is_open(desk: Desk) -> None:
    desk.call()
    desk.command(Play(1, 1, "g711_ulaw", 8000, SILENCE * 10), Stream(1, "g711_ulaw", 8000, 100), Record(1, is_on=True))
    desk.run(0.13)
    desk.events.clear()
    desk.end()
    kinds = [type(event) for event in desk.events]
    assert kinds == [Audio, Recorded, ItemDone, Statistics, Closed, LoadReport]
    assert desk.of(ItemDone)[0].is_stopped


def test_the_load_is_reported_every_5_s(desk: Desk) -> None:
    phone = desk.call()
    phone.wire.rtp_received(b"garbage", Phone.address, desk.now)
    desk.run(4.5)
    assert desk.of(LoadReport) == []
    desk.run(0.6)
    desk.sleep(0.5)
    desk.catch_up()
    desk.run(5.1)
    first, second = desk.of(LoadReport)
    assert (first.legs, first.garbage, first.skipped_frames, first.late_max_ms) == (1, 1, 0, pytest.approx(0, abs=1e-3))
    assert second.garbage == 0
    assert second.skipped_frames > 15
    assert second.late_max_ms == pytest.approx(500, abs=10)


def test_a_sending_port_that_fails_ends_nothing(desk: Desk) -> None:
    phone = desk.call()

    def fail(data: bytes, address: messages.Address) -> None:
        raise OSError("network is unreachable")

    desk.command(Open(2, "192.0.2.1"))
    wire = desk.wires[-1]
    wire.send_rtp = wire.send_rtcp = fail  # type: ignore[method-assign]
    desk.command(Close(2), Open(2, "192.0.2.1"))
    desk.command(desk.connect(2))
    desk.run(1.0)
    assert len(phone.wire.sent) > 40


DATAGRAMS = st.one_of(
    st.binary(max_size=300),
    st.builds(
        lambda kind, number, timestamp, payload: struct.pack("!BBHII", 0x80, kind, number, timestamp, 77) + payload,
        st.sampled_from([0, 13, 101, 0x80, 200, 201]),
        st.integers(0, 0xFFFF) | st.integers(0, 6),
        st.integers(0, 0xFFFFFFFF) | st.integers(0, 4000),
        st.binary(max_size=2000),
    ),
)


@given(st.lists(DATAGRAMS, max_size=60))
@settings(max_examples=100, deadline=None)
def test_whatever_comes_from_the_network_the_engine_goes_on(datagrams: list[bytes]) -> None:
    desk = Desk()
    phone = desk.call()
    desk.command(Stream(1, "pcm16", 16000, 20), Record(1, is_on=True))
    for data in datagrams:
        phone.wire.rtp_received(data, Phone.address, desk.now)
        phone.wire.rtcp_received(data, Phone.address, desk.now)
        desk.run(0.02)
    desk.end()
    assert [len(event.audio) for event in desk.of(Audio)] == [640] * len(datagrams)
