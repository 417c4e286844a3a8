"""Files of sound, whole: WAV by `wav`, MP3, Ogg (Vorbis, Opus) and FLAC by FFmpeg.

What a file is, its first bytes say, never its name. FFmpeg is told which reader to use: it has others, for lists of
further files and addresses, that must never see what a stranger sends.
"""

from __future__ import annotations

import io
from typing import Any

import av
import av.subtitles.stream  # with its first file av would import it, and behind the lock-down no module can be read
from av.error import FFmpegError

from ivrnode.audio.format import BEST_RATE, LONGEST_SECONDS, MIN_RATE
from ivrnode.audio.resample import Resampler, frame_bytes
from ivrnode.audio.wav import read_wav
from ivrnode.errors import ProtocolError

_LENIENT: dict[str, Any] = {"metadata_errors": "replace"} if int(av.__version__.partition(".")[0]) < 19 else {}
"""A title that is no UTF-8 is no fault of the sound. From its version 19 on av sees it so by itself."""


def read_sound(data: bytes) -> tuple[bytes, int]:
    """A whole file to (pcm16 mono, rate), at 8000 to 16000 Hz. Raises ProtocolError for anything that is no sound, of
    an unknown kind, or longer than 300 s."""
    kind = _kind(data)
    pcm, rate = _read_wav(data) if kind == "wav" else _decode(data, kind)
    if len(pcm) > _most_bytes(rate):
        raise ProtocolError(f"longer than {LONGEST_SECONDS} s", 413)
    if not pcm:
        raise ProtocolError("no sound is in it", 415)
    return pcm, rate


def _kind(data: bytes) -> str:
    if data[:4] == b"RIFF":
        return "wav"
    if data[:3] == b"ID3" or (data[:1] == b"\xff" and data[1:2] >= b"\xe0"):
        return "mp3"
    if data[:4] == b"OggS":
        return "ogg"
    if data[:4] == b"fLaC":
        return "flac"
    raise ProtocolError("neither WAV, MP3, Ogg nor FLAC", 415)


def _read_wav(data: bytes) -> tuple[bytes, int]:
    pcm, rate = read_wav(data)
    if rate <= BEST_RATE:
        return pcm, rate
    resampler = Resampler(rate, BEST_RATE)
    return resampler.convert(pcm) + resampler.flush(), BEST_RATE


def _decode(data: bytes, kind: str) -> tuple[bytes, int]:
    try:
        with av.open(io.BytesIO(data), "r", kind, **_LENIENT) as container:
            if not container.streams.audio:
                raise ProtocolError("no sound is in it", 415)
            stream = container.streams.audio[0]
            rate = min(max(stream.rate or BEST_RATE, MIN_RATE), BEST_RATE)
            resampler = av.AudioResampler("s16", "mono", rate)
            pcm = bytearray()
            for frame in container.decode(stream):
                for part in resampler.resample(frame):
                    pcm += frame_bytes(part)
                if len(pcm) > _most_bytes(rate):
                    return bytes(pcm), rate
            for part in resampler.resample(None):
                pcm += frame_bytes(part)
            return bytes(pcm), rate
    except FFmpegError as error:
        raise ProtocolError(f"cannot be decoded as {kind}: {error.strerror}", 415) from None


def _most_bytes(rate: int) -> int:
    return 2 * rate * LONGEST_SECONDS
