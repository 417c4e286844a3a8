"""Tones of the telephone network that are made, not recorded."""

from __future__ import annotations

import math
import struct
from functools import cache

from ivrnode.audio.converter import Converter
from ivrnode.audio.format import AudioFormat

_RINGING_HERTZ, _RINGING_LEVEL = 425, 4000  # of 32767: about -18 dB, as loud as exchanges send it
_ON_MS, _OFF_MS = 1000, 4000
_EDGE_MS = 5  # fades in and out, so that it does not click


@cache
def ringing_tone(format: AudioFormat) -> bytes:
    """One period of the ringing tone (ITU-T E.180, Europe: 425 Hz, 1 s on, 4 s off), to be heard over and over."""
    rate = format.rate
    edge = rate * _EDGE_MS // 1000
    count = rate * _ON_MS // 1000
    samples = (
        int(_RINGING_LEVEL * min(1.0, n / edge, (count - n) / edge) * math.sin(2 * math.pi * _RINGING_HERTZ * n / rate))
        for n in range(count)
    )
    pcm = b"".join(struct.pack("<h", sample) for sample in samples)
    converter = Converter(AudioFormat("pcm16", rate), format)
    on = (converter.convert(pcm) + converter.flush())[: format.size(_ON_MS)]
    return on + format.silence(_ON_MS + _OFF_MS)[len(on) :]
