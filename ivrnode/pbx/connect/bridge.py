"""Two far ends talk: the one whose leg it is given, and a called one that belongs to the bridge.

caller's leg <──Bridge──> called party's leg          keys, hold and the end of either go across or up
"""

from __future__ import annotations

from collections.abc import Callable

from ivrnode.media import messages as media
from ivrnode.pbx.call.text import statistics
from ivrnode.pbx.party.exchange import Exchange, SessionEvent
from ivrnode.pbx.party.party import Party
from ivrnode.pbx.party.sip_party import info_digit
from ivrnode.sip import events as sip

NO_AUDIO_SECONDS = 60


class Bridge:
    """`on_end(reason, now)` is told once, when the called party left by itself: `far_end`, `no_audio`, `error`."""

    def __init__(
        self,
        exchange: Exchange,
        leg: int,
        party: Party,
        write: Callable[[str, int, str], None],
        on_end: Callable[[str, float], None],
    ) -> None:
        self._exchange, self._leg, self._party = exchange, leg, party
        self._write, self._on_end = write, on_end
        self._is_up = True
        exchange.give(party, self)
        exchange.effects.media(media.Bridge(leg, party.leg))

    def press(self, digit: str) -> None:
        """A key of the caller."""
        self._exchange.effects.media(media.SendDigits(self._party.leg, digit))

    def hangup(self, now: float) -> None:
        """Send the called party away. Terminal, harmless twice."""
        if self._is_up:
            self._is_up = False
            self._party.hangup(now)
            self._exchange.effects.media(media.Unbridge(self._leg))
            self._exchange.effects.media(media.Close(self._party.leg))
            self._exchange.forget_session(self._party.session, self)

    def media_told(self, event: media.Event, now: float) -> None:
        match event:
            case media.Digit():
                self._send(event.digit)
            case media.NoRtp() if event.seconds >= NO_AUDIO_SECONDS:
                self._ended("no_audio", now)
            case media.Statistics():
                self._write("MEDIA", 5, f"called party: {statistics(event)}")
            case media.Closed():
                self._exchange.forget_leg(self._party.leg, self)

    def sip_told(self, event: SessionEvent, now: float) -> None:
        match event:
            case sip.Offered():
                self._party.renegotiate(event.offer, now)
            case sip.InfoReceived():
                if digit := info_digit(event.content_type, event.body):
                    self._send(digit)
            case sip.Ended():
                self._ended("far_end" if event.reason == "bye" else "error", now)

    def _send(self, digit: str) -> None:
        self._exchange.effects.media(media.SendDigits(self._leg, digit))

    def _ended(self, reason: str, now: float) -> None:
        if self._is_up:
            self.hangup(now)
            self._on_end(reason, now)
