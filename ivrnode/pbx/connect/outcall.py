"""One attempt to reach somebody: all his phones ring, the first one to answer has the call (RFC 3261 s16.7).

    open the leg ──Opened──> INVITE to each phone ──2xx──> answered; the others: CANCEL, or ACK and BYE when late
                   │                              └─ all refused, a 6xx, nobody in time ──> failed
                   └─ no port ──> failed

All phones get the same leg of media: only one of them will talk on it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from ivrnode.errors import ProtocolError
from ivrnode.media import messages as media
from ivrnode.pbx.house.agenda import Agenda
from ivrnode.pbx.party.exchange import Exchange, SessionEvent
from ivrnode.pbx.party.sip_party import OutgoingCall, SipParty
from ivrnode.sip import events as sip
from ivrnode.sip.status import reason_of

NO_ANSWER = (408, "no answer")
_NOT_OURS_TO_TELL = (401, 407)
"""A phone that wants a password of us: no business of who is calling."""


class Caller(Protocol):
    """Who wants to reach somebody. Told of one answer or one failure, and of nothing after `Outcall.cancel`."""

    def phone_rang(self, now: float) -> None: ...

    def phone_answered(self, party: SipParty, now: float) -> None:
        """Its leg and session are to be owned by somebody from now on."""

    def phones_failed(self, status: int, reason: str, now: float) -> None: ...


class Outcall:
    """`calls`: one for each phone, at least one. `timeout`: seconds that they may ring."""

    def __init__(
        self, exchange: Exchange, agenda: Agenda, calls: Sequence[OutgoingCall], caller: Caller, timeout: float,
        now: float,
    ) -> None:  # fmt: skip
        self._exchange, self._agenda, self._calls, self._caller = exchange, agenda, calls, caller
        self._parties: list[SipParty] = []
        self._refusals: list[tuple[int, str]] = []
        self._is_over = False
        self._leg = exchange.new_leg()
        exchange.open_leg(self._leg, self, calls[0].flow)
        agenda.set(self, now + timeout, lambda at: self._fail(*NO_ANSWER, at))

    def cancel(self, now: float) -> None:
        """Nobody waits any longer."""
        if not self._is_over:
            self._stop(now)

    def media_told(self, event: media.Event, now: float) -> None:
        match event:
            case media.Opened() if not self._is_over:
                self._ring(event.address[1], now)
            case media.OpenFailed():
                self._fail(503, event.error, now)
            case media.Closed():
                self._exchange.forget_leg(self._leg, self)

    def sip_told(self, event: SessionEvent, now: float) -> None:
        party = next((party for party in self._parties if party.session is event.session), None)
        if party is None or self._is_over:
            return
        match event:
            case sip.Rang() if event.status != 100:
                self._caller.phone_rang(now)
            case sip.Accepted():
                self._answered(party, event.body, now)
            case sip.Rejected():
                self._refused(party, event.status, event.reason, now)
            case sip.Ended():
                self._refused(party, 480, event.reason, now)

    def _ring(self, port: int, now: float) -> None:
        exchange = self._exchange
        for call in self._calls:
            party = SipParty.invite(
                exchange.agent, call, self._leg, port, exchange.effects, exchange.capabilities, now
            )  # fmt: skip
            self._parties.append(party)
            exchange.own_session(party.session, self)

    def _answered(self, party: SipParty, body: bytes, now: float) -> None:
        try:
            party.confirm(body)
        except ProtocolError as error:
            party.hangup(now)
            self._refused(party, error.status, str(error), now)
            return
        self._release(party)
        self._hang_up_all(now)
        self._over()
        self._caller.phone_answered(party, now)

    def _refused(self, party: SipParty, status: int, reason: str, now: float) -> None:
        self._release(party)
        self._refusals.append(_told(status, reason))
        if status >= 600 or not self._parties:
            self._fail(*min(self._refusals, key=_rank), now)

    def _fail(self, status: int, reason: str, now: float) -> None:
        if not self._is_over:
            self._stop(now)
            self._caller.phones_failed(status, reason, now)

    def _stop(self, now: float) -> None:
        self._hang_up_all(now)
        self._over()
        self._exchange.effects.media(media.Close(self._leg))

    def _hang_up_all(self, now: float) -> None:
        for party in list(self._parties):
            self._release(party)
            party.hangup(now)

    def _release(self, party: SipParty) -> None:
        self._parties.remove(party)
        self._exchange.forget_session(party.session, self)

    def _over(self) -> None:
        self._is_over = True
        self._agenda.set(self, None)


def _told(status: int, reason: str) -> tuple[int, str]:
    if status in _NOT_OURS_TO_TELL or status < 400:
        return 480, f"the phone answered {status}"  # a redirection is not followed either
    return status, reason or reason_of(status)


def _rank(refusal: tuple[int, str]) -> tuple[bool, bool, int]:
    """The best of several refusals: a 6xx, then busy, then the lowest class (RFC 3261 s16.7 step 6)."""
    status = refusal[0]
    return status < 600, status != 486, status // 100
