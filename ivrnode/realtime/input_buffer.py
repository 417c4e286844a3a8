"""The caller's audio on its way to a turn.

............▁▂▅█▇▅█▆▃▁...........           appended, block by block
        ├──┤          ├─────┤
      prefix         silence_ms
        └── speech_started  └── speech_stopped, and what lies between is the turn
"""

from __future__ import annotations

from dataclasses import dataclass

from ivrnode.audio.converter import Converter
from ivrnode.audio.format import AudioFormat
from ivrnode.audio.vad import EnergyVad

_LAG_MS = 100  # the detector speaks up 60 ms after the first loud frame, which may itself be cut in two


@dataclass(frozen=True, slots=True)
class Utterance:
    """What was said in one turn: pcm16 mono at `rate`."""

    pcm: bytes
    rate: int

    @property
    def seconds(self) -> float:
        return len(self.pcm) / 2 / self.rate


@dataclass(frozen=True, slots=True)
class SpeechStarted:
    """`at_ms` from the first sample of the session, prefix padding included."""

    at_ms: int


@dataclass(frozen=True, slots=True)
class SpeechStopped:
    """`at_ms` from the first sample of the session, the silence at the end included."""

    at_ms: int
    utterance: Utterance


class InputAudioBuffer:
    """`format`: what `append` gets. Without turn detection everything is kept until `commit` or `clear`.

    `start_ms` is the time at which this buffer begins in its session: formats may change on the way.
    """

    def __init__(
        self, format: AudioFormat, *, detects_turns: bool, silence_ms: int, prefix_ms: int, start_ms: int = 0
    ) -> None:
        self._pcm_format = AudioFormat("pcm16", format.rate)
        self._converter = Converter(format, self._pcm_format)
        self._vad = EnergyVad(format.rate, silence_ms) if detects_turns else None
        self._silence_ms, self._prefix_ms = silence_ms, prefix_ms
        self._origin_ms = start_ms
        self._pcm = bytearray()
        self._first_ms = start_ms  # the time of the first sample in _pcm
        self._turn_ms = start_ms  # where the turn that is being spoken begins

    @property
    def is_speech(self) -> bool:
        return self._vad is not None and self._vad.is_speech

    @property
    def end_ms(self) -> int:
        return self._first_ms + self.duration_ms

    @property
    def duration_ms(self) -> int:
        """What a commit would take now."""
        return int(len(self._pcm) / self._pcm_format.bytes_per_ms)

    def append(self, audio: bytes) -> list[SpeechStarted | SpeechStopped]:
        """Take a block of any size; give the edges in it, oldest first."""
        pcm = self._converter.convert(audio)
        self._pcm += pcm
        if self._vad is None:
            return []
        edges: list[SpeechStarted | SpeechStopped] = []
        for edge in self._vad.feed(pcm):
            at_ms = self._origin_ms + edge.at_ms
            if edge.is_speech:
                self._turn_ms = max(self._first_ms, at_ms - self._prefix_ms)
                edges.append(SpeechStarted(self._turn_ms))
            else:
                edges.append(
                    SpeechStopped(at_ms + self._silence_ms, self._take(self._turn_ms, at_ms + self._silence_ms))
                )
        if not self._vad.is_speech:
            self._take(self._first_ms, self.end_ms - self._prefix_ms - _LAG_MS)
        return edges

    def commit(self) -> Utterance:
        """All there is, as one turn; the buffer is empty afterwards."""
        return self._take(self._first_ms, self.end_ms)

    def clear(self) -> None:
        self._take(self._first_ms, self.end_ms)

    def _take(self, begin_ms: int, end_ms: int) -> Utterance:
        """Cut the turn out; what lies before it is dropped too."""
        begin = self._pcm_format.size(max(0, begin_ms - self._first_ms))
        end = self._pcm_format.size(max(0, end_ms - self._first_ms))
        taken = bytes(self._pcm[begin:end])
        self._first_ms += int(min(end, len(self._pcm)) / self._pcm_format.bytes_per_ms)
        del self._pcm[:end]
        return Utterance(taken, self._pcm_format.rate)
