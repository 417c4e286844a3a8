"""Change the rate of pcm16 in a stream.

FFmpeg's resampler (by PyAV) keeps its phase from block to block: how the input is cut up changes nothing, so there is
no click at a block's edge. It holds back 2 ms, which `flush` brings out.
"""

from __future__ import annotations

from av import AudioFrame, AudioResampler


class Resampler:
    """pcm16 at `source_rate` to pcm16 at `target_rate`. Best fed with 60 to 100 ms at once: a call costs far more
    than the samples in it."""

    def __init__(self, source_rate: int, target_rate: int) -> None:
        self._source_rate, self._target_rate = source_rate, target_rate
        self._resampler: AudioResampler | None = None

    def convert(self, pcm: bytes) -> bytes:
        """`pcm` is whole samples."""
        if not pcm:
            return b""
        if self._resampler is None:
            self._resampler = AudioResampler("s16", "mono", self._target_rate)
        return _samples(self._resampler.resample(pcm_frame(pcm, self._source_rate)))

    def flush(self) -> bytes:
        """The stream's tail; what comes after it is a new stream."""
        resampler, self._resampler = self._resampler, None
        return _samples(resampler.resample(None)) if resampler else b""


def pcm_frame(pcm: bytes, rate: int) -> AudioFrame:
    frame = AudioFrame("s16", "mono", len(pcm) // 2)
    frame.planes[0].update(pcm)
    frame.sample_rate = rate
    return frame


def frame_bytes(frame: AudioFrame) -> bytes:
    """pcm16 mono. A plane may be longer than its samples: FFmpeg aligns it."""
    return bytes(frame.planes[0])[: 2 * frame.samples]


def _samples(frames: list[AudioFrame]) -> bytes:
    return b"".join(map(frame_bytes, frames))
