import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ivrnode.audio.converter import Converter
from ivrnode.audio.format import WIRE_FORMATS, AudioFormat
from ivrnode.media.tap import Tap
from sound import decibels, tone, tone_level

ULAW, ALAW, G722 = (WIRE_FORMATS[name] for name in ("PCMU", "PCMA", "G722"))
PCM8 = AudioFormat("pcm16", 8000)
TARGETS = [ULAW, ALAW, PCM8, AudioFormat("pcm16", 16000), AudioFormat("pcm16", 24000)]


def wire_frames(wire: AudioFormat, pcm: bytes) -> list[bytes]:
    converter = Converter(PCM8, wire)
    data = converter.convert(pcm) + converter.flush()
    return [data[start : start + 160] for start in range(0, len(data) // 160 * 160, 160)]


@pytest.mark.parametrize("wire", [ULAW, ALAW, G722], ids=lambda wire: wire.codec)
@pytest.mark.parametrize("target", TARGETS, ids=lambda target: f"{target.codec}-{target.rate}")
def test_a_tone_is_heard_at_its_level_without_a_hole(wire: AudioFormat, target: AudioFormat) -> None:
    tap = Tap(wire, target, 60)
    chunks = [chunk for frame in wire_frames(wire, tone(1000, 8000, 1200)) if (chunk := tap.feed(frame))]
    assert [len(chunk) for chunk in chunks] == [target.size(60)] * 20
    pcm = AudioFormat("pcm16", target.rate)
    heard = Converter(target, pcm).convert(b"".join(chunks))
    for start in range(pcm.size(200), pcm.size(1000), pcm.size(100)):
        level = tone_level(heard[start : start + pcm.size(100)], 1000, target.rate)
        assert abs(decibels(level / 10000)) < 1


def test_the_sizes_of_half_a_second() -> None:
    for target, size in ((ULAW, 4000), (AudioFormat("pcm16", 24000), 24000)):
        tap = Tap(ULAW, target, 500)
        assert [len(chunk) for _ in range(100) if (chunk := tap.feed(b"\xff" * 160))] == [size] * 4


@given(
    st.sampled_from([ULAW, ALAW, G722]),
    st.sampled_from(TARGETS),
    st.integers(1, 12).map(lambda count: 20 * count),
    st.integers(0, 40),
)
@settings(max_examples=60, deadline=None)
def test_every_frame_is_handed_over_once(wire: AudioFormat, target: AudioFormat, interval: int, count: int) -> None:
    tap = Tap(wire, target, interval)
    chunks = [chunk for _ in range(count) if (chunk := tap.feed(wire.silence(20)))]
    assert all(len(chunk) == target.size(interval) for chunk in chunks)
    assert len(b"".join(chunks)) + len(tap.stop()) == target.size(20 * count)


def test_pass_through_is_byte_for_byte() -> None:
    tap = Tap(ULAW, ULAW, 60)
    frames = [bytes((number,)) * 160 for number in range(10)]
    chunks = [chunk for frame in frames if (chunk := tap.feed(frame))]
    assert b"".join(chunks) + tap.stop() == b"".join(frames)


def test_another_wire_in_the_middle_of_a_chunk() -> None:
    tap = Tap(ULAW, PCM8, 100)
    pcm = tone(1000, 8000, 200)
    frames = wire_frames(ULAW, pcm)[:7]
    chunks = [chunk for frame in frames if (chunk := tap.feed(frame))]
    tap.change_source(ALAW)
    chunks += [chunk for frame in wire_frames(ALAW, pcm)[7:] if (chunk := tap.feed(frame))]
    assert [len(chunk) for chunk in chunks] == [1600, 1600]
    assert abs(decibels(tone_level(b"".join(chunks), 1000, 8000) / 10000)) < 1
