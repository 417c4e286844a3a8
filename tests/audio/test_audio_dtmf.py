"""Keys heard as tones: every key as the standard lets it be sent, and none where there is none."""

from __future__ import annotations

import math
import random
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivrnode.audio.dtmf import KeyEar
from ivrnode.audio.g711 import pcm_to_ulaw, ulaw_to_pcm

ROWS, COLUMNS = (697, 770, 852, 941), (1209, 1336, 1477, 1633)
KEYS = {key: (low, high) for row, low in zip(("123A", "456B", "789C", "*0#D"), ROWS, strict=True)
        for key, high in zip(row, COLUMNS, strict=True)}  # fmt: skip


def press(key: str, ms: float = 80, low: float = 4000, high: float = 4000, off: float = 1.0, rate: int = 8000) -> bytes:
    hertz = [off * tone for tone in KEYS[key]]
    count = int(rate * ms / 1000)
    return struct.pack(f"<{count}h", *(
        round(low * math.sin(2 * math.pi * hertz[0] * n / rate) + high * math.sin(2 * math.pi * hertz[1] * n / rate))
        for n in range(count)
    ))  # fmt: skip


def pause(ms: float = 60, rate: int = 8000) -> bytes:
    return bytes(2 * int(rate * ms / 1000))


def heard(pcm: bytes, rate: int = 8000) -> str:
    ear, size = KeyEar(rate), rate // 25
    return "".join(ear.feed(pcm[at : at + size]) for at in range(0, len(pcm) - size + 1, size))


@pytest.mark.parametrize("rate", [8000, 16000])
def test_every_key_once_however_long_it_is_held(rate: int) -> None:
    keys = "".join(KEYS)
    sound = b"".join(press(key, ms, rate=rate) + pause(rate=rate) for key in keys for ms in (60, 500))
    assert heard(sound, rate) == "".join(key * 2 for key in keys)


@given(
    key=st.sampled_from(sorted(KEYS)),
    off=st.floats(0.985, 1.015),
    low=st.floats(700, 9000),
    twist=st.floats(-6, 4),
    lead=st.integers(0, 159),
    is_coded=st.booleans(),
)
def test_as_the_standard_lets_it_be_sent(
    key: str, off: float, low: float, twist: float, lead: int, is_coded: bool
) -> None:
    """ITU-T Q.24: 1.5 % off, the high tone 4 dB above or 6 dB below the low one; cut into frames anywhere."""
    sound = bytes(2 * lead) + press(key, 100, low, low * 10 ** (twist / 20), off) + pause(100)
    assert heard(ulaw_to_pcm(pcm_to_ulaw(sound)) if is_coded else sound) == key


@pytest.mark.parametrize("hertz", [425, 697, 941, 1209, 1400, 2100])
def test_one_tone_is_no_key(hertz: int) -> None:
    count = 8000
    sound = struct.pack(f"<{count}h", *(round(8000 * math.sin(2 * math.pi * hertz * n / 8000)) for n in range(count)))
    assert heard(sound) == ""


def test_noise_and_clicks_are_no_keys() -> None:
    noise = random.Random(7)
    sound = struct.pack("<80000h", *(noise.randrange(-12000, 12000) for _ in range(80000)))
    assert heard(sound) == ""
    assert heard(b"".join(press("5", 15) + pause(25) for _ in range(50))) == ""


def test_a_key_that_is_drowned_in_speech_is_none() -> None:
    noise = random.Random(7)
    tone = struct.unpack("<800h", press("5", 100, 1500, 1500))
    assert heard(struct.pack("<800h", *(sample + noise.randrange(-9000, 9000) for sample in tone))) == ""
