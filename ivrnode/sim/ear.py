"""When was there sound? One flag for each 20 ms of one side of a call, by level alone."""

from __future__ import annotations

from dataclasses import dataclass

from ivrnode.audio.vad import level_db

FRAME_MS = 20
_LOUD_DB = -45.0
_GAP = 0.5


@dataclass(frozen=True, slots=True)
class Stretch:
    """Sound from `start` to `end`, in seconds since the call was answered."""

    start: float
    end: float


class Ear:
    """`stretches`: where there was sound so far, pauses between words counted in."""

    def __init__(self) -> None:
        self.stretches: list[Stretch] = []
        self._loud = bytearray()

    def feed(self, frame: bytes) -> None:
        """20 ms of pcm16 at 8000 Hz."""
        is_loud = level_db(frame) > _LOUD_DB
        if is_loud:
            self._hear(len(self._loud) * FRAME_MS / 1000)
        self._loud.append(is_loud)

    @property
    def silent_for(self) -> float:
        """Seconds since the last sound."""
        return len(self._loud) * FRAME_MS / 1000 - (self.stretches[-1].end if self.stretches else 0.0)

    def loud_ms(self, start: float, end: float) -> int:
        """Milliseconds of sound between two times."""
        first, last = (max(0, round(at * 1000 / FRAME_MS)) for at in (start, end))
        return sum(self._loud[first:last]) * FRAME_MS

    def longest_since(self, start: float) -> float:
        """Seconds of the longest stretch after `start`; of one that began before it, what is left."""
        return max((stretch.end - max(start, stretch.start) for stretch in self.stretches), default=0.0)

    def _hear(self, at: float) -> None:
        end = at + FRAME_MS / 1000
        if self.stretches and at - self.stretches[-1].end <= _GAP:
            self.stretches[-1] = Stretch(self.stretches[-1].start, end)
        else:
            self.stretches.append(Stretch(at, end))


def loudness(pcm: bytes, rate: int) -> tuple[int, int]:
    """Of pcm16: milliseconds of sound in it, and where the last of them ends."""
    size = rate * FRAME_MS // 500
    loud = [at for at in range(0, len(pcm) - size + 1, size) if level_db(pcm[at : at + size]) > _LOUD_DB]
    return len(loud) * FRAME_MS, (loud[-1] // size + 1) * FRAME_MS if loud else 0
