"""G.711: exact where it can be, near where it cannot."""

import subprocess
import sys

from hypothesis import given
from hypothesis import strategies as st

from ivrnode.audio import g711
from sound import samples, tone

EVERY_BYTE = bytes(range(256))


def test_what_was_decoded_encodes_to_itself() -> None:
    # u-law has two zeros: 0x7f comes back as 0xff.
    assert g711.pcm_to_ulaw(g711.ulaw_to_pcm(EVERY_BYTE)) == EVERY_BYTE.replace(b"\x7f", b"\xff")
    assert g711.pcm_to_alaw(g711.alaw_to_pcm(EVERY_BYTE)) == EVERY_BYTE


def test_silence_is_silent() -> None:
    assert samples(g711.ulaw_to_pcm(g711.ULAW_SILENCE))[0] == 0
    assert abs(samples(g711.alaw_to_pcm(g711.ALAW_SILENCE))[0]) == 8
    assert g711.ulaw_to_alaw(g711.ULAW_SILENCE) == g711.ALAW_SILENCE


@given(st.binary(max_size=400))
def test_law_to_law_is_decode_then_encode(data: bytes) -> None:
    assert g711.ulaw_to_alaw(data) == g711.pcm_to_alaw(g711.ulaw_to_pcm(data))
    assert g711.alaw_to_ulaw(data) == g711.pcm_to_ulaw(g711.alaw_to_pcm(data))


def test_a_tone_survives_both_laws() -> None:
    pcm = tone(1000, 8000, 100)
    for there, back in ((g711.pcm_to_ulaw, g711.ulaw_to_pcm), (g711.pcm_to_alaw, g711.alaw_to_pcm)):
        error = max(abs(a - b) for a, b in zip(samples(pcm), samples(back(there(pcm))), strict=True))
        assert error <= 10000 / 32


def test_the_deprecated_module_is_imported_without_a_warning() -> None:
    subprocess.run([sys.executable, "-W", "error", "-c", "import ivrnode.audio.g711"], check=True)
