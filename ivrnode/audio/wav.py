"""WAV files: read what an operator may upload as a prompt, write what a recording needs.

Layout (RIFF, all little endian): `RIFF` size `WAVE`, then chunks of a 4-byte name, a 4-byte size, the data and a pad
byte after odd sizes. `fmt ` must come before `data`; all other chunks are skipped.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import BinaryIO

from ivrnode.audio import g711
from ivrnode.audio._audioop import audioop
from ivrnode.audio.format import MAX_RATE, MIN_RATE
from ivrnode.errors import ProtocolError

MAX_WAV_BYTES = 10 * 1024 * 1024

_PCM, _ALAW, _ULAW, _EXTENSIBLE = 0x0001, 0x0006, 0x0007, 0xFFFE
_UNKNOWN_SIZE = 0xFFFFFFFF  # what a writer leaves that could not go back to its header: all the rest of the file


def read_wav(data: bytes) -> tuple[bytes, int]:
    """A whole WAV file to (pcm16 mono, rate).

    Takes 16 bit PCM, A-law and u-law, one or two channels (mixed down), 8000 to 48000 Hz, up to 10 MiB.
    Raises ProtocolError for anything else.
    """
    if len(data) > MAX_WAV_BYTES:
        raise ProtocolError(f"WAV file of {len(data)} bytes: at most {MAX_WAV_BYTES}", 413)
    if data[:4] != b"RIFF" or data[8:12] != b"WAVE":
        raise ProtocolError("not a WAV file: RIFF and WAVE missing", 415)
    codec = channels = rate = 0
    position = 12
    while position + 8 <= len(data):
        name, size = struct.unpack_from("<4sI", data, position)
        position += 8
        if name == b"data" and size == _UNKNOWN_SIZE:
            size = len(data) - position
        if size > len(data) - position:
            raise ProtocolError(f"WAV chunk {name!r} of {size} bytes goes past the end of the file")
        if name == b"fmt ":
            codec, channels, rate = _read_format(data[position : position + size])
        elif name == b"data":
            if not channels:
                raise ProtocolError("WAV data comes before its format")
            return _to_mono(data[position : position + size], codec, channels), rate
        position += size + size % 2
    raise ProtocolError("WAV file without sound: no data chunk")


def _read_format(chunk: bytes) -> tuple[int, int, int]:
    """The `fmt ` chunk to (codec, channels, rate)."""
    if len(chunk) < 16:
        raise ProtocolError(f"WAV format of {len(chunk)} bytes: at least 16")
    codec, channels, rate, _, _, bits = struct.unpack_from("<HHIIHH", chunk)
    if codec == _EXTENSIBLE and len(chunk) >= 26:
        (codec,) = struct.unpack_from("<H", chunk, 24)  # the first field of the sub-format's GUID
    if (codec, bits) not in ((_PCM, 16), (_ALAW, 8), (_ULAW, 8)):
        raise ProtocolError(f"WAV codec {codec} with {bits} bits: only 16 bit PCM, A-law and u-law", 415)
    if channels not in (1, 2):
        raise ProtocolError(f"WAV file with {channels} channels: only one or two", 415)
    if not MIN_RATE <= rate <= MAX_RATE:
        raise ProtocolError(f"WAV file at {rate} Hz: only {MIN_RATE} to {MAX_RATE}", 415)
    return codec, channels, rate


def _to_mono(sound: bytes, codec: int, channels: int) -> bytes:
    if codec == _ALAW:
        sound = g711.alaw_to_pcm(sound)
    elif codec == _ULAW:
        sound = g711.ulaw_to_pcm(sound)
    sound = sound[: len(sound) - len(sound) % (2 * channels)]
    return audioop.tomono(sound, 2, 0.5, 0.5) if channels == 2 else sound


def interleave(left: bytes, right: bytes) -> bytes:
    """Two pcm16 mono sounds to one stereo sound; the shorter one is filled up with silence."""
    size = max(len(left), len(right))
    left, right = left.ljust(size, b"\x00"), right.ljust(size, b"\x00")
    return audioop.add(audioop.tostereo(left, 2, 1, 0), audioop.tostereo(right, 2, 0, 1), 2)


def write_wav(target: Path | BinaryIO, pcm: bytes, rate: int, channels: int = 1) -> None:
    """A whole WAV file of pcm16; stereo comes interleaved."""
    contents = _header(len(pcm), rate, channels) + pcm
    if isinstance(target, Path):
        target.write_bytes(contents)
    else:
        target.write(contents)


class WavWriter:
    """A WAV file that grows while a call runs. `file` must be seekable; the caller opens and closes it.

    Until `close` the header says "all the rest of the file": a recording cut off by a crash can still be read.
    """

    def __init__(self, file: BinaryIO, rate: int, channels: int = 1) -> None:
        self._file, self._rate, self._channels = file, rate, channels
        self._size = 0
        file.write(_header(_UNKNOWN_SIZE, rate, channels))

    def write(self, pcm: bytes) -> None:
        self._file.write(pcm)
        self._size += len(pcm)

    def close(self) -> None:
        """Write the true sizes into the header."""
        self._file.seek(0)
        self._file.write(_header(self._size, self._rate, self._channels))
        self._file.seek(0, 2)


def _header(size: int, rate: int, channels: int) -> bytes:
    frame = 2 * channels
    whole = min(size + 36, _UNKNOWN_SIZE)
    return struct.pack(
        "<4sI4s4sIHHIIHH4sI", b"RIFF", whole, b"WAVE",
        b"fmt ", 16, _PCM, channels, rate, rate * frame, frame, 16, b"data", size,
    )  # fmt: skip
