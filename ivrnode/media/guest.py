"""Somebody else at the far end of a leg, in its place: a second script that speaks with the same phone.

far end <──> session of the leg ─┬─ its own playout and ears: stand still, hear silence
                                 ├─ guest: the same
                                 └─ guest that came last: heard, and hears
"""

from __future__ import annotations

from collections.abc import Callable

from ivrnode.media.ears import Ears
from ivrnode.media.layers import Layers
from ivrnode.media.leg import Leg
from ivrnode.media.messages import Cleared, Closed, Event


class Guest:
    """A leg without a wire of its own: `line` is the one whose far end it speaks with."""

    __slots__ = ("_emit", "ears", "line", "number", "playout")

    def __init__(self, number: int, line: Leg, emit: Callable[[Event], None]) -> None:
        self.number, self.line, self._emit = number, line, emit
        self.playout = Layers(number, line.format, emit)
        self.ears = Ears(number, line.format, emit, line.listen)
        line.welcome(self)

    def clear(self, *, keeps_recording: bool) -> None:
        """As `Leg.clear`."""
        self.ears.close(keeps_recording=keeps_recording)
        self.playout.mute()
        self.playout = Layers(self.number, self.line.format, self._emit)
        self.line.reseat()
        self._emit(Cleared(self.number))

    def close(self) -> None:
        self.ears.close()
        self.playout.mute()
        self.line.dismiss(self)
        self._emit(Closed(self.number))
