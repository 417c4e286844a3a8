"""Files of sound: every kind, every rate, and nothing but sound."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ivrnode.audio.format import BEST_RATE
from ivrnode.audio.sound_file import read_sound
from ivrnode.errors import ProtocolError
from sound import decibels, tone, tone_level
from sound_files import sound_file


@pytest.mark.parametrize("kind", ["wav", "mp3", "ogg", "opus", "flac"])
@pytest.mark.parametrize("rate", [8000, 16000, 44100, 48000])
def test_a_tone_survives(kind: str, rate: int) -> None:
    pcm, found = read_sound(sound_file(kind, tone(1000, rate, 1000), rate))
    assert found == BEST_RATE if rate > 8000 or kind == "opus" else found == 8000
    assert abs(len(pcm) / 2 / found - 1) < 0.08
    middle = pcm[found // 2 : found // 2 * 3]
    assert abs(decibels(tone_level(middle, 1000, found) / 10000)) < 1


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"", 415),
        (b"#EXTM3U\nfile:///etc/passwd\n", 415),
        (b"\x00\x00\x00\x18ftypmp42", 415),
        (b"fLaC" + bytes(100), 415),
        (b"OggS" + bytes(100), 415),
        (b"ID3" + bytes(100), 415),
    ],
)
def test_what_is_no_sound_is_refused(data: bytes, status: int) -> None:
    with pytest.raises(ProtocolError) as caught:
        read_sound(data)
    assert caught.value.status == status


@pytest.mark.parametrize("kind", ["wav", "flac"])
def test_what_is_longer_than_a_playout_is_refused(kind: str) -> None:
    with pytest.raises(ProtocolError, match="longer than 300 s"):
        read_sound(sound_file(kind, bytes(16 * 301_000), 8000))


def test_a_file_without_a_sample_is_refused() -> None:
    with pytest.raises(ProtocolError, match="no sound"):
        read_sound(sound_file("wav", b"", 8000))


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(["wav", "mp3", "ogg", "flac"]), st.integers(0, 4000), st.binary(min_size=1, max_size=40))
def test_damage_is_an_error_or_sound_and_nothing_else(kind: str, at: int, damage: bytes) -> None:
    data = bytearray(_WHOLE[kind])
    data[at : at + len(damage)] = damage
    try:
        pcm, rate = read_sound(bytes(data))
    except ProtocolError:
        return
    assert pcm
    assert 8000 <= rate <= BEST_RATE


_WHOLE = {kind: sound_file(kind, tone(500, 8000, 200), 8000) for kind in ("wav", "mp3", "ogg", "flac")}


def test_a_title_that_is_no_text_is_no_fault_of_the_sound() -> None:
    file = sound_file("flac", tone(1000, 16000, 300), 16000).replace(b"Lavf", b"\xff\xfe\xff\xfe")
    assert b"\xff\xfe\xff\xfe" in file
    assert len(read_sound(file)[0]) == 9600
