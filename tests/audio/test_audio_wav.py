"""WAV files: what we write, what others write, and any bytes at all."""

import io
import struct
import wave
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivrnode.audio import g711
from ivrnode.audio.wav import MAX_WAV_BYTES, WavWriter, interleave, read_wav, write_wav
from ivrnode.errors import ProtocolError
from sound import samples, tone

TONE = tone(440, 8000, 50)


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack("<4sI", name, len(data)) + data + b"\0" * (len(data) % 2)


def wav_format(codec: int = 1, channels: int = 1, rate: int = 8000, bits: int = 16, extra: bytes = b"") -> bytes:
    frame = channels * bits // 8
    return chunk(b"fmt ", struct.pack("<HHIIHH", codec, channels, rate, rate * frame, frame, bits) + extra)


def wav(*chunks: bytes) -> bytes:
    body = b"WAVE" + b"".join(chunks)
    return struct.pack("<4sI", b"RIFF", len(body)) + body


GOOD = wav(wav_format(), chunk(b"data", TONE))


def test_what_is_written_is_read_back_and_by_others_too(tmp_path: Path) -> None:
    write_wav(tmp_path / "prompt.wav", TONE, 16000)
    assert read_wav((tmp_path / "prompt.wav").read_bytes()) == (TONE, 16000)
    with wave.open(str(tmp_path / "prompt.wav")) as theirs:
        assert (theirs.getframerate(), theirs.getnchannels(), theirs.readframes(10**6)) == (16000, 1, TONE)


def test_both_laws_are_read() -> None:
    ulaw, alaw = g711.pcm_to_ulaw(TONE), g711.pcm_to_alaw(TONE)
    assert read_wav(wav(wav_format(7, bits=8), chunk(b"data", ulaw))) == (g711.ulaw_to_pcm(ulaw), 8000)
    assert read_wav(wav(wav_format(6, bits=8), chunk(b"data", alaw))) == (g711.alaw_to_pcm(alaw), 8000)


def test_stereo_is_mixed_down() -> None:
    stereo = interleave(TONE, bytes(len(TONE)))
    mono, rate = read_wav(wav(wav_format(channels=2, rate=48000), chunk(b"data", stereo)))
    assert rate == 48000
    assert all(abs(whole / 2 - half) <= 1 for whole, half in zip(samples(TONE), samples(mono), strict=True))


def test_two_sides_become_left_and_right_and_the_shorter_one_is_filled_up() -> None:
    assert interleave(b"\1\2\3\4", b"\5\6") == b"\1\2\5\6\3\4\0\0"


def test_other_chunks_and_an_extensible_format_are_read() -> None:
    guid = struct.pack("<HHIH", 22, 16, 4, 1) + b"\0\0\0\0\x10\0\x80\0\0\xaa\0\x38\x9b\x71"
    data = wav(chunk(b"LIST", b"odd"), wav_format(0xFFFE, extra=guid), chunk(b"fact", b"\0" * 4), chunk(b"data", TONE))
    assert read_wav(data) == (TONE, 8000)


def test_a_recording_that_was_cut_off_is_read_to_its_end() -> None:
    file = io.BytesIO()
    writer = WavWriter(file, 8000, channels=2)
    writer.write(interleave(TONE, TONE))
    assert len(read_wav(file.getvalue())[0]) == len(TONE)
    writer.write(interleave(TONE, TONE))
    writer.close()
    file.seek(0)
    with wave.open(file) as theirs:
        assert (theirs.getnchannels(), theirs.getnframes()) == (2, len(TONE))


@pytest.mark.parametrize(
    "broken",
    [
        b"",
        GOOD[:11],
        b"RIFX" + GOOD[4:],
        wav(chunk(b"data", TONE)),
        wav(wav_format()),
        wav(wav_format(bits=24), chunk(b"data", TONE)),
        wav(wav_format(codec=85), chunk(b"data", TONE)),
        wav(wav_format(channels=0), chunk(b"data", TONE)),
        wav(wav_format(channels=3), chunk(b"data", TONE)),
        wav(wav_format(rate=7999), chunk(b"data", TONE)),
        wav(wav_format(rate=96000), chunk(b"data", TONE)),
        wav(chunk(b"fmt ", b"short"), chunk(b"data", TONE)),
        GOOD[:-1],
        bytes(MAX_WAV_BYTES + 1),
    ],
)
def test_what_cannot_be_used_is_a_protocol_error(broken: bytes) -> None:
    with pytest.raises(ProtocolError):
        read_wav(broken)


def _is_read_or_refused(data: bytes) -> None:
    try:
        pcm, rate = read_wav(data)
    except ProtocolError:
        return
    assert len(pcm) % 2 == 0
    assert 8000 <= rate <= 48000


@given(st.binary(max_size=200))
def test_any_bytes_give_sound_or_a_protocol_error(data: bytes) -> None:
    _is_read_or_refused(data)
    _is_read_or_refused(b"RIFF\0\0\0\0WAVE" + data)


@given(st.integers(0, 80), st.binary(min_size=1, max_size=6))
def test_any_damage_gives_sound_or_a_protocol_error(place: int, damage: bytes) -> None:
    _is_read_or_refused(GOOD[:place] + damage + GOOD[place + len(damage) :])
