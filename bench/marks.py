"""Frames of sound that carry the moment they were sent: nothing between two G.711 ends changes a byte.

    | magic, 4 | CLOCK_MONOTONIC, f64 | a second moment, f64 | filled up with sound |     160 bytes, 20 ms

The clock is the machine's, so it is the same in every process.
"""

from __future__ import annotations

import struct

FRAME = 160
FROM_CALLER, FROM_SERVICE = b"\x2aIVR", b"\x3aIVR"
SOUND = bytes(range(0x10, 0x30)) * (FRAME // 32)  # loud: no jitter buffer takes it for silence
SILENCE = b"\xff" * FRAME
_MARK = struct.Struct("!4sdd")


def marked(magic: bytes, moment: float, other: float = 0.0) -> bytes:
    """One frame."""
    return _MARK.pack(magic, moment, other) + SOUND[_MARK.size :]


def moments(magic: bytes, audio: bytes) -> tuple[float, float] | None:
    """What the first frame of `audio` that is marked with `magic` carries."""
    at = audio.find(magic)
    if at < 0 or len(audio) - at < _MARK.size:
        return None
    _, moment, other = _MARK.unpack_from(audio, at)
    return moment, other
