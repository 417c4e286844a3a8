"""Two phones of a tenant, without a script: one has called the other.

INVITE ──> open the leg ──Opened──> Outcall ──rings──> 180
  │                                    │ └──answered──> 200, Bridge ──either side leaves──> over
  └─ CANCEL: nobody rings any longer   └─ refused, nobody in time: 486, 480 ... ──────────> over

It lasts for the tenant's `max_duration` at most, as the call of a node does.
"""

from __future__ import annotations

from collections.abc import Callable

from ivrnode.media import messages as media
from ivrnode.pbx.arrival.assignment import Introduction
from ivrnode.pbx.arrival.directory import Directory
from ivrnode.pbx.arrival.refusal import RefusedError
from ivrnode.pbx.call.incoming_call import IncomingCall, State
from ivrnode.pbx.call.text import statistics
from ivrnode.pbx.connect.bridge import Bridge
from ivrnode.pbx.connect.outcall import Outcall
from ivrnode.pbx.house.house import House
from ivrnode.pbx.party.exchange import Exchange
from ivrnode.pbx.party.sip_party import SipParty
from ivrnode.sip.address import NameAddr
from ivrnode.sip.uri import Uri

RING_SECONDS = 60.0
NO_AUDIO_SECONDS = 60
_TOLD = {408: (480, "No answer"), 503: (500, "The phone is out of order")}
"""A caller that gets 408 or 503 would think that we are the one who is silent or overloaded (RFC 3261 s8.1.3.1, s16.7
step 6)."""


class Conversation(IncomingCall):
    """`caller` and `extension` are the names of two accounts. Doors: `media_told`, `sip_told`, `end`."""

    def __init__(
        self,
        introduction: Introduction,
        party: SipParty,
        house: House,
        exchange: Exchange,
        directory: Directory,
        on_gone: Callable[[Conversation], None],
        now: float,
    ) -> None:
        super().__init__(introduction.id, introduction.tenant, party, house, now)
        self.caller, self.extension = introduction.caller.name, introduction.called.name
        self._introduction, self._exchange = introduction, exchange
        self._directory, self._on_gone = directory, on_gone
        self._port = 0
        self._outcall: Outcall | None = None
        self._bridge: Bridge | None = None

    # The caller.

    def media_told(self, event: media.Event, now: float) -> None:
        match event:
            case media.Opened() if self.state is State.OPENING:
                self._port = event.address[1]
                self._house.agenda.set((self.id, "max"), None)
                self._call_phones(now)
            case media.OpenFailed():
                self._refuse(503, "No RTP port free", now)
            case media.Digit():
                self.press(event.digit)
            case media.NoRtp() if event.seconds >= NO_AUDIO_SECONDS:
                self.end("no_audio", now)
            case media.Statistics():
                self.write("MEDIA", 5, f"caller: {statistics(event)}")
            case media.Closed():
                self._exchange.forget_leg(self.party.leg, self)

    def press(self, digit: str) -> None:
        if self._bridge is not None:
            self._bridge.press(digit)

    # The called one.

    def _call_phones(self, now: float) -> None:
        account, hops = self._introduction.caller, self.party.session.request.max_forwards
        caller = NameAddr(account.display, Uri.of_user(account.name, self.tenant))
        try:
            calls = self._directory.phones(self.tenant, self._introduction.called, caller, hops, now)
        except RefusedError as refused:
            self._refuse(refused.status, refused.reason, now)
            return
        self.write("APP", 4, f"{self.caller} calls {self.extension}")
        self._outcall = Outcall(self._exchange, self._house.agenda, calls, self, RING_SECONDS, now)

    def phone_rang(self, now: float) -> None:
        self.party.ring(now)

    def phone_answered(self, party: SipParty, now: float) -> None:
        self._outcall = None
        if not self._answer(self._port, now):
            party.hangup(now)
            self._house.effects.media(media.Close(party.leg))
            return
        self._answered(self._introduction.max_duration, now)
        self.write("APP", 4, f"{self.caller} is connected with {self.extension} at {party.name}")
        self._bridge = Bridge(self._exchange, self.party.leg, party, self.write, self.end)

    def phones_failed(self, status: int, reason: str, now: float) -> None:
        self._outcall = None
        self._refuse(*_TOLD.get(status, (status, reason)), now)

    # The end.

    def end(self, reason: str, now: float) -> None:
        if self.state is not State.GONE:
            self.write("APP", 4, f"ended: {reason} after {now - self.answered_at:.1f} s")
            self._part(reason, now)

    def _refuse(self, status: int, reason: str, now: float) -> None:
        if self.state is not State.GONE:
            self.write("APP", 4, f"{self.extension} was not reached: {status} {reason}")
            self.party.refuse(status, reason, now)
            self._part("refused", now)

    def _part(self, reason: str, now: float) -> None:
        self.state, self.reason, self.ended_at = State.GONE, reason, now
        self._house.agenda.set((self.id, "max"), None)
        if self._outcall is not None:
            self._outcall.cancel(now)
        if self._bridge is not None:
            self._bridge.hangup(now)
        self.party.hangup(now)
        self._house.effects.media(media.Close(self.party.leg))
        self._exchange.forget_session(self.party.session, self)
        self._on_gone(self)
