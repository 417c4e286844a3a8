"""Keys that are heard as pairs of tones (ITU-T Q.23, Q.24), from lines that send no telephone-event.

         1209  1336  1477  1633 Hz
697 Hz     1     2     3     A        a key: two tones, one of each group, and little else,
770 Hz     4     5     6     B        in two frames of 20 ms in a row
852 Hz     7     8     9     C
941 Hz     *     0     #     D
"""

from __future__ import annotations

import math
import struct
from functools import cache

from ivrnode.audio._audioop import audioop

FRAME_MS = 20
_ROWS, _COLUMNS = (697, 770, 852, 941), (1209, 1336, 1477, 1633)
_KEYS = ("123A", "456B", "789C", "*0#D")
_LEAST_RMS = 200  # of 32767: about -44 dB
_LEAST_SHARE = 0.45  # of the power: a tone that is 1.5 % off, as it may be, is found with less than half of its own
_LEAST_LEAD = 4.0  # times the power of the next tone of its group
_MOST_TWIST = 10.0  # times the power of the other tone: 10 dB, of which being off takes up to 3
_FRAMES = 2
_LEVEL = 16384


class KeyEar:
    """One direction of a call. `rate`: samples a second."""

    __slots__ = ("_key", "_lasts", "_rate")

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._key, self._lasts = "", 0  # what the last frames were, and how many

    def feed(self, pcm: bytes) -> str:
        """20 ms of pcm16; the key that has been pressed since, told once however long it is held, else ""."""
        key = _key_in(pcm, self._rate)
        if key != self._key:
            self._key, self._lasts = key, 0
        self._lasts += 1
        return key if self._lasts == _FRAMES else ""


def _key_in(pcm: bytes, rate: int) -> str:
    rms = audioop.rms(pcm, 2)
    if rms < _LEAST_RMS:
        return ""
    (row, low), (column, high) = _strongest(pcm, rate, _ROWS), _strongest(pcm, rate, _COLUMNS)
    if not (low and high) or max(low, high) > _MOST_TWIST * min(low, high) or low + high < _LEAST_SHARE * rms * rms:
        return ""
    return _KEYS[row][column]


def _strongest(pcm: bytes, rate: int, group: tuple[int, ...]) -> tuple[int, float]:
    """Which tone of the group leads, and its power; 0.0 when none does."""
    powers = [_power(pcm, *_waves(hertz, rate, len(pcm) // 2)) for hertz in group]
    *_, second, first = sorted(powers)
    return powers.index(first), first if first > _LEAST_LEAD * second else 0.0


def _power(pcm: bytes, sine: bytes, cosine: bytes) -> float:
    """Of the one tone: the mean square of what the two waves have in common with the sound."""
    a, b = audioop.findfactor(pcm, sine), audioop.findfactor(pcm, cosine)
    return (a * a + b * b) * _LEVEL * _LEVEL / 2


@cache
def _waves(hertz: int, rate: int, count: int) -> tuple[bytes, bytes]:
    angles = [2 * math.pi * hertz * n / rate for n in range(count)]
    pack = struct.Struct(f"<{count}h").pack
    return pack(*(round(_LEVEL * math.sin(x)) for x in angles)), pack(*(round(_LEVEL * math.cos(x)) for x in angles))
