"""A recording of a call, from `call.record` to its file: both directions by the clock of the media, after every mute.

begin ──Recorded──Recorded──┬─ max_seconds ─┬─ Record(off) ──> Recorded(is_last) ──> finish: file, script
                            ├─ silence      │
                            ├─ finish key   │
                            ├─ stop()       │
                            └─ hangup ──────┴─ Close ────────> Recorded(is_last)
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ivrnode.media import messages as media
from ivrnode.pbx.call.incoming_call import IncomingCall
from ivrnode.pbx.house.house import House
from ivrnode.script.messages import Facts

RATE = 8000


OnEnd = Callable[[float, str], None]
"""Told the seconds that it has, and why it ended."""


@dataclass(frozen=True, slots=True)
class Wish:
    """`silence`: so many seconds without speech end it; 0: none do. `finish`: keys that end it."""

    channels: int
    max_seconds: float
    silence: float
    finish: str


class Recording:
    """`id` names it for good."""

    def __init__(
        self, id: str, call: IncomingCall, facts: Facts, wish: Wish, house: House, now: float, on_end: OnEnd
    ) -> None:
        self.id, self.wish = id, wish
        self._call, self._facts, self._house, self._on_end = call, facts, house, on_end
        self._reason = ""
        self._size = 0  # bytes of one direction
        self._limit = 2 * round(RATE * wish.max_seconds)
        self._file = house.effects.record(id, call.tenant, wish.channels, self._failed)
        self._expect_silence(now)

    @property
    def seconds(self) -> float:
        return round(self._size / 2 / RATE, 2)

    def add(self, event: media.Recorded) -> None:
        room = self._limit - self._size
        heard, said = event.heard[:room], event.said[:room]
        if heard:
            self._size += len(heard)
            self._file.write(heard, said)
        if self._size >= self._limit:
            self.stop("max")

    def is_finished_by(self, digit: str) -> bool:
        """True when this key ends it, which then is meant for nobody else."""
        is_meant = digit in self.wish.finish and not self._reason
        if is_meant:
            self.stop("finish")
        return is_meant

    def heard_speech(self, event: media.Speech, now: float) -> None:
        if event.is_speech:
            self._house.agenda.set((self._call.id, "silence"), None)
        else:
            self._expect_silence(now - event.quiet_ms / 1000)

    def _expect_silence(self, since: float) -> None:
        if self.wish.silence and not self._reason:
            at = since + self.wish.silence
            self._house.agenda.set((self._call.id, "silence"), at, lambda _: self.stop("silence"))

    def _failed(self, error: str) -> None:
        self._call.write("MEDIA", 1, f"recording {self.id}: {error}")
        self.stop("error")

    def stop(self, reason: str) -> None:
        """Only the first time counts."""
        if not self._reason:
            self._reason = reason
            self._house.effects.media(media.Record(self._call.party.leg, is_on=False))

    def finish(self) -> None:
        """Its last part has come."""
        self._reason = self._reason or "hangup"
        self._house.agenda.set((self._call.id, "silence"), None)
        facts = self._facts
        self._file.close(
            {
                "id": self.id,
                "call": self._call.id,
                "tenant": facts.tenant,
                "node": facts.node,
                "caller": facts.caller,
                "called": facts.called,
                "channels": self.wish.channels,
                "rate": RATE,
                "seconds": self.seconds,
                "reason": self._reason,
            }
        )
        self._call.write("APP", 5, f"recording {self.id}: {self.seconds:.1f} s, {self._reason}")
        self._on_end(self.seconds, self._reason)
