"""A stream without its silences: chunks pass while there is speech, and a little before and after it.

                 ▂▅█▆▃▅█▇▄▂
    ─────────┤pre├────────┤ hang over ├──────────      passes
    withheld ┘                        └ withheld

The far side ends a turn by the silence that it receives: without the hang-over no turn would ever end. Without the
pre-roll first syllables would be missing.
"""

from __future__ import annotations

from collections import deque

from ivrnode.audio.vad import Edge
from ivrnode.media.voice import LONGEST_LAG_MS


class Gate:
    """Whole chunks. Times are those of `Voice`, whose edges come before the chunk that they are in."""

    __slots__ = ("_hang_over_ms", "_held", "_open_since", "_open_until", "_pre_roll_ms", "withheld_bytes")

    def __init__(self, pre_roll_ms: int, hang_over_ms: int, *, is_speech: bool) -> None:
        self._pre_roll_ms, self._hang_over_ms = pre_roll_ms, hang_over_ms
        self._held: deque[tuple[float, bytes]] = deque()  # end, chunk
        self._open_since = 0.0
        self._open_until = float("inf") if is_speech else 0.0
        self.withheld_bytes = 0

    def turn(self, edge: Edge) -> None:
        if edge.is_speech:
            self._open_since, self._open_until = edge.at_ms - self._pre_roll_ms, float("inf")
        else:
            self._open_until = edge.at_ms + self._hang_over_ms

    def feed(self, chunk: bytes, start_ms: float, end_ms: float) -> list[bytes]:
        """What passes now, oldest first."""
        self._held.append((end_ms, chunk))
        if start_ms < self._open_until:
            self._forget(self._open_since)
            passing = [held for _, held in self._held]
            self._held.clear()
            return passing
        self._forget(end_ms - self._pre_roll_ms - LONGEST_LAG_MS)
        return []

    def close(self) -> None:
        """No more will pass: what is held is withheld."""
        self._forget(float("inf"))

    def _forget(self, until_ms: float) -> None:
        while self._held and self._held[0][0] <= until_ms:
            self.withheld_bytes += len(self._held.popleft()[1])
