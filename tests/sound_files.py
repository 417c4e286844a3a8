"""Files of sound in every kind that a prompt may have, made for tests; and what is in a recording."""

from __future__ import annotations

import io
import wave
from pathlib import Path

import av

from ivrnode.audio.wav import interleave, write_wav

CODECS = {"mp3": "libmp3lame", "ogg": "vorbis", "opus": "libopus", "flac": "flac"}
SAMPLE_FORMATS = {"mp3": "s16p", "ogg": "fltp", "opus": "s16", "flac": "s16"}


def sound_file(kind: str, pcm: bytes, rate: int) -> bytes:
    """pcm16 mono as a file: wav, mp3, ogg (Vorbis), opus (in Ogg) or flac."""
    buffer = io.BytesIO()
    if kind == "wav":
        write_wav(buffer, pcm, rate)
        return buffer.getvalue()
    with av.open(buffer, "w", format="ogg" if kind == "opus" else kind) as container:
        stream = container.add_stream(CODECS[kind], rate=48000 if kind == "opus" else rate)
        stream.layout = "mono" if kind != "ogg" else "stereo"
        stream.format = SAMPLE_FORMATS[kind]
        stream.codec_context.options = {"strict": "experimental"}  # FFmpeg's own Vorbis
        frame = av.AudioFrame("s16", stream.layout.name, len(pcm) // 2)
        frame.planes[0].update(interleave(pcm, pcm) if kind == "ogg" else pcm)
        frame.sample_rate = rate
        resampler = av.AudioResampler(stream.format.name, stream.layout.name, stream.rate, stream.frame_size or None)
        for part in [*resampler.resample(frame), *resampler.resample(None)]:
            for packet in stream.encode(part):
                container.mux(packet)
        for packet in stream.encode(None):
            container.mux(packet)
    return buffer.getvalue()


def sides(path: Path) -> tuple[bytes, bytes]:
    """Of a recording: what the caller said, what he heard. pcm16 at 8000 Hz."""
    with wave.open(str(path)) as wav:
        assert wav.getparams()[:3] == (2, 2, 8000)
        frames = wav.readframes(wav.getnframes())
    return (
        b"".join(frames[at : at + 2] for at in range(0, len(frames), 4)),
        b"".join(frames[at : at + 2] for at in range(2, len(frames), 4)),
    )
