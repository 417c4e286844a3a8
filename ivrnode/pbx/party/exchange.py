"""Whose leg of media and whose SIP session it is: what happens there is told to its owner."""

from __future__ import annotations

import itertools
from typing import Protocol

from ivrnode.media import messages as media
from ivrnode.pbx.house.effects import Effects
from ivrnode.pbx.party.party import Party
from ivrnode.sdp.negotiation import Capabilities
from ivrnode.sip import events as sip
from ivrnode.sip.flow import Flow
from ivrnode.sip.invite import InviteSession
from ivrnode.sip.user_agent import UserAgent

SessionEvent = (
    sip.Rang
    | sip.Accepted
    | sip.Rejected
    | sip.Confirmed
    | sip.Offered
    | sip.ReinviteRefused
    | sip.InfoReceived
    | sip.Referred
    | sip.Notified
    | sip.Ended
)


class Owner(Protocol):
    def media_told(self, event: media.Event, now: float) -> None: ...

    def sip_told(self, event: SessionEvent, now: float) -> None: ...


class Exchange:
    """All legs and sessions of a core. `media_host`: the address that RTP ports are bound at, "" = any."""

    def __init__(self, agent: UserAgent, effects: Effects, media_host: str) -> None:
        self.agent, self.effects = agent, effects
        self.capabilities = Capabilities()
        self._media_host = media_host
        self._numbers = itertools.count(1)
        self._legs: dict[int, Owner] = {}
        self._sessions: dict[InviteSession, Owner] = {}

    def new_leg(self) -> int:
        return next(self._numbers)

    def open_leg(self, leg: int, owner: Owner, flow: Flow) -> None:
        """Bind its ports, in the address family in which the far end behind `flow` is spoken to."""
        self._legs[leg] = owner
        wildcard = "::" if ":" in flow.remote[0] else "0.0.0.0"
        self.effects.media(media.Open(leg, self._media_host or wildcard))

    def own_session(self, session: InviteSession, owner: Owner) -> None:
        self._sessions[session] = owner

    def give(self, party: Party, owner: Owner) -> None:
        """From now on `owner` is told of this far end."""
        self._legs[party.leg] = owner
        if not party.is_guest:
            self._sessions[party.session] = owner

    def forget_leg(self, leg: int, owner: Owner) -> None:
        """Nothing, when it belongs to somebody else by now; so with `forget_session`."""
        if self._legs.get(leg) is owner:
            del self._legs[leg]

    def forget_session(self, session: InviteSession, owner: Owner) -> None:
        if self._sessions.get(session) is owner:
            del self._sessions[session]

    def forget(self, party: Party, owner: Owner) -> None:
        self.forget_leg(party.leg, owner)
        self.forget_session(party.session, owner)

    def media_told(self, event: media.Event, now: float) -> None:
        if owner := self._legs.get(event.leg):
            owner.media_told(event, now)

    def sip_told(self, event: SessionEvent, now: float) -> None:
        if owner := self._sessions.get(event.session):
            owner.sip_told(event, now)
