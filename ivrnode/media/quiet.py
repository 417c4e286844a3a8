"""May a frame of the wire be left out without anybody noticing? Asked by the jitter buffer, seldom."""

from __future__ import annotations

import struct
from collections.abc import Callable

from ivrnode.audio import g711

_LOUD = 400  # of 32767: a quiet room on a telephone line stays below
_EVERY_BYTE = bytes(range(256))


def _quiet_bytes(to_pcm: Callable[[bytes], bytes]) -> bytes:
    samples = struct.unpack("<256h", to_pcm(_EVERY_BYTE))
    return bytes(code for code in _EVERY_BYTE if abs(samples[code]) < _LOUD)


_QUIET = {"g711_ulaw": _quiet_bytes(g711.ulaw_to_pcm), "g711_alaw": _quiet_bytes(g711.alaw_to_pcm)}


def quiet_test(codec: str) -> Callable[[bytes], bool]:
    """The test for frames of `codec`. A G.722 frame says nothing without those before it: any will do."""
    quiet = _QUIET.get(codec, _EVERY_BYTE)
    return lambda frame: not frame.translate(None, quiet)
