"""What a run of bytes sounds like: a codec and its rate.

Codec names are the script API's; `WIRE_FORMATS` maps the RTP names (RFC 3551) to them. Every wire codec is 64 kbit/s:
8 bytes a millisecond, and its RTP clock runs at 8000 Hz (G722 too, by RFC 3551 s4.5.2, although it samples at 16000).
"""

from __future__ import annotations

from dataclasses import dataclass

MIN_RATE, MAX_RATE = 8000, 48000
BEST_RATE = 16000
"""Of all wire codecs the best has it: more would be thrown away."""
LONGEST_SECONDS = 300
"""Of a sound from a file: as much as a playout holds."""

_FIXED_RATE = {"g711_ulaw": 8000, "g711_alaw": 8000, "g722": 16000}
# 0xfd is the G.722 byte that rings out fastest after speech and then stays below 0.1 % of full scale.
_SILENT_BYTE = {"g711_ulaw": b"\xff", "g711_alaw": b"\xd5", "g722": b"\xfd", "pcm16": b"\x00"}


@dataclass(frozen=True, slots=True)
class AudioFormat:
    """`codec`: g711_ulaw, g711_alaw (rate 8000), g722 (16000) or pcm16 (signed 16 bit little endian mono, 8000 to
    48000 Hz). Raises ValueError for anything else."""

    codec: str
    rate: int

    def __post_init__(self) -> None:
        if self.codec not in _SILENT_BYTE:
            raise ValueError(f"unknown codec {self.codec!r}: one of {' '.join(_SILENT_BYTE)}")
        fixed = _FIXED_RATE.get(self.codec)
        if fixed is not None and self.rate != fixed:
            raise ValueError(f"{self.codec} runs at {fixed} Hz, not {self.rate}")
        if not MIN_RATE <= self.rate <= MAX_RATE:
            raise ValueError(f"rate {self.rate} is not from {MIN_RATE} to {MAX_RATE} Hz")

    @property
    def bytes_per_ms(self) -> float:
        """8 for the wire codecs, 16 for pcm16 at 8000 Hz; not whole for rates such as 11025."""
        return self.rate / 500 if self.codec == "pcm16" else 8

    def size(self, ms: float) -> int:
        """Bytes of `ms` milliseconds, rounded down to whole samples."""
        return 2 * int(self.rate * ms / 1000) if self.codec == "pcm16" else int(8 * ms)

    def silence(self, ms: float) -> bytes:
        return _SILENT_BYTE[self.codec] * self.size(ms)


WIRE_FORMATS = {
    "PCMU": AudioFormat("g711_ulaw", 8000),
    "PCMA": AudioFormat("g711_alaw", 8000),
    "G722": AudioFormat("g722", 16000),
}
