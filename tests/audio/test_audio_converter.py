"""Every path between two formats: level, length, and that cutting up the input changes nothing."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ivrnode.audio.converter import Converter
from ivrnode.audio.format import WIRE_FORMATS, AudioFormat
from sound import decibels, noise, tone, tone_level

PCM = {rate: AudioFormat("pcm16", rate) for rate in (8000, 11025, 16000, 24000, 44100, 48000)}
FORMATS = [*WIRE_FORMATS.values(), *PCM.values()]
PAIRS = [pair for pair in itertools.product(FORMATS, FORMATS) if pair[0] != pair[1]]


def name(pair: tuple[AudioFormat, AudioFormat]) -> str:
    return "-".join(f"{each.codec}@{each.rate}" for each in pair)


def whole(source: AudioFormat, target: AudioFormat, data: bytes) -> bytes:
    converter = Converter(source, target)
    return converter.convert(data) + converter.flush()


@pytest.mark.parametrize("pair", PAIRS, ids=name)
def test_a_tone_keeps_its_level_and_length(pair: tuple[AudioFormat, AudioFormat]) -> None:
    source, target = pair
    reference = PCM[source.rate]
    there = whole(source, target, whole(reference, source, tone(1000, source.rate, 500)))
    assert abs(len(there) - target.size(500)) <= 2 * target.bytes_per_ms
    pcm = whole(target, PCM[target.rate], there)
    middle = PCM[target.rate].size(100)
    level = tone_level(pcm[middle : 4 * middle], 1000, target.rate)
    assert abs(decibels(level / 10000)) < 1


@pytest.mark.parametrize("rate", [24000, 48000])
def test_what_8_khz_cannot_carry_does_not_come_back_as_another_tone(rate: int) -> None:
    # 5500 Hz sampled at 8000 would be heard at 2500.
    pcm = whole(PCM[rate], PCM[8000], tone(5500, rate, 500))
    assert decibels(tone_level(pcm[800:-800], 2500, 8000) / 10000) < -40


SOUND = noise(48000, 60) + tone(700, 48000, 60)


@pytest.mark.parametrize("pair", PAIRS, ids=name)
@settings(max_examples=6)
@given(cuts=st.lists(st.integers(0, 2000), max_size=8))
def test_how_the_input_is_cut_up_changes_nothing(pair: tuple[AudioFormat, AudioFormat], cuts: list[int]) -> None:
    source, target = pair
    data = SOUND[:2000]
    edges = [0, *sorted(cuts), len(data)]
    converter = Converter(source, target)
    pieces = [converter.convert(data[start:end]) for start, end in itertools.pairwise(edges)]
    assert b"".join(pieces) + converter.flush() == whole(source, target, data)


def test_equal_formats_touch_nothing() -> None:
    converter = Converter(PCM[8000], PCM[8000])
    data = b"odd"
    assert converter.convert(data) is data
    assert converter.flush() == b""


def test_only_two_milliseconds_are_held_back() -> None:
    for source, target in itertools.permutations((PCM[8000], PCM[16000], PCM[24000], PCM[48000]), 2):
        out = Converter(source, target).convert(source.silence(1000))
        assert target.size(1000) - len(out) <= 2 * target.bytes_per_ms


@pytest.mark.parametrize("pair", PAIRS, ids=name)
def test_after_flush_a_new_stream_begins(pair: tuple[AudioFormat, AudioFormat]) -> None:
    source, target = pair
    converter = Converter(source, target)
    data = SOUND[:4000]
    first = converter.convert(data) + converter.flush()
    assert converter.convert(data) + converter.flush() == first
    assert converter.flush() == b""


@pytest.mark.parametrize("source", FORMATS, ids=lambda each: f"{each.codec}@{each.rate}")
def test_silence_is_as_long_as_asked_and_silent(source: AudioFormat) -> None:
    silence = source.silence(100)
    assert len(silence) == source.size(100)
    assert abs(len(silence) - 100 * source.bytes_per_ms) < 2
    pcm = whole(source, PCM[8000], silence)
    assert tone_level(pcm, 0.1, 8000) < 60


def test_silence_after_speech_is_silent_in_g722() -> None:
    g722 = WIRE_FORMATS["G722"]
    speech = whole(PCM[16000], g722, tone(1000, 16000, 200))
    pcm = whole(g722, PCM[16000], speech + g722.silence(200))
    tail = pcm[-PCM[16000].size(150) :]
    assert tone_level(tail, 1000, 16000) < 10


@pytest.mark.parametrize(("codec", "rate"), [("mp3", 8000), ("g711_ulaw", 16000), ("g722", 8000), ("pcm16", 4000)])
def test_a_format_that_cannot_be_is_refused(codec: str, rate: int) -> None:
    with pytest.raises(ValueError, match=r"Hz|codec"):
        AudioFormat(codec, rate)
