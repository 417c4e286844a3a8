"""Does the far end speak? Asked only while somebody wants to know; in blocks of 60 ms, which cost a third of frames.

    heard ─┬─> 60 ms ─> EnergyVad ─> Edge ─┬─> Speech      (`Watch`)
    said ──┘   its level, of 300 ms        └─> Gate        (`Stream` with a hang-over)

What is said comes back as an echo, by way of the network and the far end's room: its level counts for as long as that
may take.
"""

from __future__ import annotations

from collections import deque

from ivrnode.audio.converter import Converter
from ivrnode.audio.format import AudioFormat
from ivrnode.audio.vad import NO_ECHO_DB, Edge, EnergyVad, level_db
from ivrnode.media.wire import FRAME_MS

QUIET_MS = 500
"""So long a pause ends speech."""
LONGEST_LAG_MS = 140
"""So long after its first sample speech is known at the latest: three loud frames, and the block that they end in."""
_BLOCK_FRAMES = 3
_ECHO_BLOCKS = 5


class Voice:
    """`now_ms`: sound that was fed; the clock of the edges."""

    __slots__ = ("_heard", "_played_db", "_said", "_to_pcm", "_vad", "now_ms")

    def __init__(self, source: AudioFormat) -> None:
        self.now_ms = 0
        self._heard: list[bytes] = []
        self._said: list[bytes] = []
        self._played_db = deque([NO_ECHO_DB] * _ECHO_BLOCKS, maxlen=_ECHO_BLOCKS)
        self._vad = EnergyVad(source.rate, QUIET_MS)
        self.change_source(source)

    @property
    def is_speech(self) -> bool:
        return self._vad.is_speech

    def feed(self, heard: bytes, said: bytes) -> list[Edge]:
        """20 ms of each direction; mostly no edge."""
        self.now_ms += FRAME_MS
        self._heard.append(heard)
        self._said.append(said)
        if len(self._heard) < _BLOCK_FRAMES:
            return []
        heard, said = b"".join(self._heard), b"".join(self._said)
        if self._to_pcm is not None:
            heard, said = self._to_pcm.convert(heard), self._to_pcm.convert(said)
        self._played_db.append(level_db(said))
        self._heard.clear()
        self._said.clear()
        return self._vad.feed(heard, max(self._played_db))

    def change_source(self, source: AudioFormat) -> None:
        """Another codec on the wire; the unfinished block is let go."""
        self._heard.clear()
        self._said.clear()
        self._vad.change_rate(source.rate)
        # A leg's own format is pcm16 or G.711, for which a table is enough: one converter does for both directions.
        pcm = AudioFormat("pcm16", source.rate)
        self._to_pcm = None if source == pcm else Converter(source, pcm)
