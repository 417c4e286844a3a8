"""What a leg's far end hears instead of its playout: the ringing tone, or another leg's far end.

    leg A's tick:  A's far end <─ A.session <─ Crossing(B) <─ B's jitter buffer <─ B's far end
    leg B's tick:  B's far end <─ B.session <─ Crossing(A) <─ A's jitter buffer <─ A's far end

Each frame is taken from the other leg's jitter buffer in the tick that sends it: nothing waits in between. Where both
speak the same codec the bytes go through as they came.
"""

from __future__ import annotations

from typing import Protocol

from ivrnode.audio.converter import Converter
from ivrnode.audio.tones import ringing_tone
from ivrnode.media.wire import FRAME_MS, Wire


class Speaker(Protocol):
    """A leg that is listened to."""

    def next_heard(self) -> bytes: ...


class Instead(Protocol):
    """`is_coded`: frames are coded for the wire already, else they are in its inside format."""

    is_coded: bool

    def next_frame(self) -> bytes:
        """20 ms; called every 20 ms, also when they cannot be sent."""


class Ringing:
    """The tone that says: it rings there."""

    is_coded = False

    def __init__(self, wire: Wire) -> None:
        self._tone = ringing_tone(wire.inside)
        self._size = wire.inside.size(FRAME_MS)
        self._position = 0

    def next_frame(self) -> bytes:
        start = self._position
        self._position = (start + self._size) % len(self._tone)
        return self._tone[start : start + self._size]


class Crossing:
    """What `speaker`, which speaks `source`, says to the far end of a leg that speaks `target`.

    A resampler holds the first 2 ms back: as much silence goes before, so that every frame is whole.
    """

    def __init__(self, speaker: Speaker, source: Wire, target: Wire) -> None:
        self.is_coded = source.codec == target.codec
        self.speaker = speaker
        self._target = target.inside
        is_same = self.is_coded or source.inside == target.inside
        self._converter = None if is_same else Converter(source.inside, target.inside)
        self._size = target.inside.size(FRAME_MS)
        self._ready = b""

    def next_frame(self) -> bytes:
        heard = self.speaker.next_heard()
        if self._converter is None:
            return heard
        self._ready += self._converter.convert(heard)
        if len(self._ready) < self._size:
            self._ready = self._target.silence(FRAME_MS)[len(self._ready) :] + self._ready
        frame, self._ready = self._ready[: self._size], self._ready[self._size :]
        return frame
