"""Voice activity by energy: is somebody speaking? A gate, no judge: steady noise is learnt, a slammed door is not.

    level  dB ┤          ▂▅█▆▃▅█▇▄▂              loud: 9 dB over the noise floor (6 dB to go on)
              ┤ ▁▂▁▁▂▁▂▁▁          ▁▂▁▁▂▁▁▂▁▁    floor: the quietest frame of the last 3 s
              └─────────┬──────────┬────────┬──
                 started┘    last loud     stopped, `silence_ms` later

Frames of 20 ms. Speech starts with the third loud frame in a row (a click has one or two) and then counts from the
first of them. While something is played to the speaker its echo comes back: what is heard then counts as loud only
within 12 dB of what is played.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass

from ivrnode.audio._audioop import audioop

FRAME_MS = 20
START_FRAMES = 3
MARGIN_DB = 9.0
HYSTERESIS_DB = 3.0
# Before anything was heard the line counts as quiet, and no noise is learnt that is as loud as close speech: a steady
# tone stays a sound, however long it lasts.
QUIET_DB, LOUDEST_NOISE_DB = -60.0, -30.0
ECHO_LOSS_DB = 12.0
NO_ECHO_DB = -100.0
_BLOCK_FRAMES, _BLOCKS = 25, 6  # 3 s of minima, kept as six blocks of 500 ms


@dataclass(frozen=True, slots=True)
class Edge:
    """Speech started or stopped. `at_ms` counts from the first sample: the start of the first loud frame, or the end
    of the last one; so `stopped` comes `silence_ms` after its own `at_ms`."""

    is_speech: bool
    at_ms: int


class EnergyVad:
    """Feed it one direction of a call, pcm16 at `rate`, in blocks of any size."""

    def __init__(self, rate: int, silence_ms: int = 500) -> None:
        self.is_speech = False
        self._silence_ms = silence_ms
        self.change_rate(rate)
        self._now_ms = 0
        self._loud_frames = 0
        self._last_loud_ms = 0
        self._minima = deque([QUIET_DB] * _BLOCKS, maxlen=_BLOCKS)
        self._block_minimum, self._block_frames = 0.0, 0

    def change_rate(self, rate: int) -> None:
        """What comes from here on has another rate; what did not fill a frame is let go."""
        self._frame_bytes = 2 * (rate * FRAME_MS // 1000)
        self._rest = b""

    @property
    def floor_db(self) -> float:
        """The noise floor in dB under full scale, as known now."""
        return min(LOUDEST_NOISE_DB, max(QUIET_DB, min(self._minima)))

    def feed(self, pcm: bytes, played_db: float = NO_ECHO_DB) -> list[Edge]:
        """The edges within `pcm`, oldest first; mostly none. What does not fill a frame waits for the next block.
        `played_db`: the level of what is played to the speaker meanwhile."""
        pcm = self._rest + pcm
        end = len(pcm) - len(pcm) % self._frame_bytes
        self._rest = pcm[end:]
        edges = []
        for start in range(0, end, self._frame_bytes):
            edge = self._hear(level_db(pcm[start : start + self._frame_bytes]), played_db - ECHO_LOSS_DB)
            if edge:
                edges.append(edge)
        return edges

    def _hear(self, level: float, echo_db: float) -> Edge | None:
        threshold = max(self.floor_db + MARGIN_DB, echo_db) - (HYSTERESIS_DB if self.is_speech else 0)
        self._learn(level)
        self._now_ms += FRAME_MS
        if level >= threshold:
            self._loud_frames += 1
            self._last_loud_ms = self._now_ms
        else:
            self._loud_frames = 0
        if not self.is_speech and self._loud_frames == START_FRAMES:
            self.is_speech = True
            return Edge(True, self._now_ms - START_FRAMES * FRAME_MS)
        if self.is_speech and self._now_ms - self._last_loud_ms >= self._silence_ms:
            self.is_speech = False
            return Edge(False, self._last_loud_ms)
        return None

    def _learn(self, level: float) -> None:
        self._block_minimum = min(self._block_minimum, level)
        self._block_frames += 1
        if self._block_frames == _BLOCK_FRAMES:
            self._minima.append(self._block_minimum)
            self._block_minimum, self._block_frames = 0.0, 0


def level_db(pcm: bytes) -> float:
    """The RMS level of pcm16 in dB under full scale: 0.0 is a full square wave, -100.0 is digital silence."""
    return 20 * math.log10(max(audioop.rms(pcm, 2), 0.3277) / 32768)
