"""What was heard, handed over in chunks of exactly one interval, without end and without a hole.

    frames of 20 ms, the leg's format ──> collected ──> converted at once, at the interval's end ──> chunk

Converting 60 ms and more at a time costs a fraction of converting each frame. A resampler holds the first 2 ms back:
the stream begins with as much silence instead, so that every interval has its chunk from the first one on.
"""

from __future__ import annotations

from ivrnode.audio.converter import Converter
from ivrnode.audio.format import AudioFormat
from ivrnode.media.wire import FRAME_MS

_SLACK_MS = 1  # for resamplers that round


class Tap:
    """`interval_ms`: a multiple of 20."""

    __slots__ = (
        "_chunk_size", "_converter", "_frames", "_frames_per_chunk", "_ready", "interval_ms", "target",
    )  # fmt: skip

    def __init__(self, source: AudioFormat, target: AudioFormat, interval_ms: int) -> None:
        self.target, self.interval_ms = target, interval_ms
        self._frames_per_chunk = interval_ms // FRAME_MS
        self._chunk_size = target.size(interval_ms)
        self._frames: list[bytes] = []
        self._converter = None if source == target else Converter(source, target)
        self._ready = b""

    def feed(self, frame: bytes) -> bytes | None:
        """20 ms of the far end; returns a chunk when it is the interval's last."""
        self._frames.append(frame)
        if len(self._frames) < self._frames_per_chunk:
            return None
        audio = b"".join(self._frames)
        self._frames.clear()
        if self._converter is None:
            return audio
        self._ready += self._converter.convert(audio)
        missing = self._chunk_size - len(self._ready)
        if missing > 0:
            self._ready = self.target.silence(_SLACK_MS) + self._silence(missing) + self._ready
        chunk, self._ready = self._ready[: self._chunk_size], self._ready[self._chunk_size :]
        return chunk

    def change_source(self, source: AudioFormat) -> None:
        """Another codec on the wire: the chunk goes on where it was."""
        audio = b"".join(self._frames)
        frames = len(self._frames)
        if self._converter is not None:
            audio = self._converter.convert(audio) + self._converter.flush()
        self._converter = Converter(source, self.target)
        self._ready += audio
        # What is ready already counts in frames too: they are the front of the next chunk.
        self._frames = [b""] * frames

    def stop(self) -> bytes:
        """The last chunk, shorter than the interval; b"" at an interval's end."""
        size = self.target.size(FRAME_MS * len(self._frames))
        audio = b"".join(self._frames)
        if self._converter is not None:
            audio = self._ready + self._converter.convert(audio) + self._converter.flush()
        audio = audio[:size]
        return self._silence(size - len(audio)) + audio

    def _silence(self, size: int) -> bytes:
        """`size` bytes."""
        return self.target.silence(size / self.target.bytes_per_ms + 1)[:size]
