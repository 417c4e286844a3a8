"""Both directions of a leg by one clock: what was heard and what was said in the same 20 ms stay side by side."""

from __future__ import annotations

from collections.abc import Callable

from ivrnode.audio.format import AudioFormat
from ivrnode.media.messages import Event, Recorded
from ivrnode.media.tap import Tap

FORMAT = AudioFormat("pcm16", 8000)
_INTERVAL_MS = 100


class Recorder:
    def __init__(self, leg: int, wire: AudioFormat, emit: Callable[[Event], None]) -> None:
        self._leg, self._emit = leg, emit
        self._heard = Tap(wire, FORMAT, _INTERVAL_MS)
        self._said = Tap(wire, FORMAT, _INTERVAL_MS)

    def feed(self, heard: bytes, said: bytes) -> None:
        """20 ms of each."""
        heard_chunk, said_chunk = self._heard.feed(heard), self._said.feed(said)
        if heard_chunk and said_chunk:
            self._emit(Recorded(self._leg, heard_chunk, said_chunk))

    def change_source(self, wire: AudioFormat) -> None:
        self._heard.change_source(wire)
        self._said.change_source(wire)

    def stop(self) -> None:
        self._emit(Recorded(self._leg, self._heard.stop(), self._said.stop(), is_last=True))
