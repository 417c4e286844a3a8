"""A far end on SIP: the INVITE session, the leg of media, and what offer and answer agreed on (RFC 3264).

caller   INVITE ──> open the leg ──> Opened ──> answer(): 200 + SDP, Connect ──> ACK: confirm() ──> Start
                                       └──> refuse(): 488, 503 ...
called   open the leg ──> Opened ──> invite(): INVITE + SDP ──> 2xx: confirm(): Connect, Start
"""

from __future__ import annotations

from dataclasses import dataclass

from ivrnode.errors import ProtocolError
from ivrnode.media import messages as media
from ivrnode.pbx.house.effects import Effects
from ivrnode.sdp.description import SessionDescription
from ivrnode.sdp.negotiation import Capabilities, LocalSession, MediaPlan, accept_answer, answer, offer
from ivrnode.sip.address import NameAddr
from ivrnode.sip.flow import Flow
from ivrnode.sip.invite import InviteSession
from ivrnode.sip.uri import Uri
from ivrnode.sip.user_agent import UserAgent

DIGIT_TYPES = {"application/dtmf-relay", "application/dtmf"}
KEYS = "0123456789*#ABCD"


@dataclass(frozen=True, slots=True)
class OutgoingCall:
    """An INVITE to be: where it goes, and what it says of who calls."""

    target: Uri
    flow: Flow
    from_: NameAddr
    to: NameAddr
    headers: tuple[tuple[str, str], ...] = ()


class SipParty:
    """One far end on SIP. Raises ProtocolError where the far end's SDP cannot be met."""

    is_guest = False

    def __init__(
        self, session: InviteSession, first_offer: bytes | None, leg: int, effects: Effects, capabilities: Capabilities
    ) -> None:
        self.session, self.leg = session, leg
        self._effects, self._capabilities = effects, capabilities
        self._remote_offer = SessionDescription.parse(first_offer) if first_offer else None
        self._our_offer: SessionDescription | None = None
        self._local = LocalSession(leg)
        self._address: media.Address = ("", 0)
        self.plan: MediaPlan | None = None

    @classmethod
    def invite(
        cls, agent: UserAgent, call: OutgoingCall, leg: int, port: int, effects: Effects, capabilities: Capabilities,
        now: float,
    ) -> SipParty:  # fmt: skip
        """Call somebody; `leg` is open on `port`. Several called parties may share a leg until one answers."""
        local, address = LocalSession(leg), (effects.media_host(call.flow), port)
        ours = offer(capabilities, address, local)
        session = agent.invite(
            call.target, call.flow, now, from_=call.from_, to=call.to, body=str(ours).encode(), headers=call.headers
        )
        party = cls(session, None, leg, effects, capabilities)
        party._local, party._address, party._our_offer = local, address, ours
        return party

    @property
    def name(self) -> str:
        return str(self.session.flow)

    def answer(self, port: int, now: float) -> None:
        """The leg is open on `port`: answer the INVITE. A late offer gets our offer instead."""
        self._address = (self._effects.media_host(self.session.flow), port)
        if self._remote_offer is None:
            self._our_offer = offer(self._capabilities, self._address, self._local)
            self.session.accept(str(self._our_offer).encode(), now)
            return
        self._accept(self._remote_offer, now)

    def ring(self, now: float) -> None:
        """Tell the caller that it rings there."""
        self.session.ring(now)

    def confirm(self, body: bytes | None) -> None:
        """The ACK came, after a late offer with the answer; or the 2xx to our INVITE, always with it."""
        if self._our_offer is not None:
            if not body:
                raise ProtocolError("our offer was not answered", status=488)
            self._connect(accept_answer(self._our_offer, SessionDescription.parse(body)))
            self._our_offer = None
        self._effects.media(media.Start(self.leg))

    def renegotiate(self, body: bytes | None, now: float) -> None:
        """A re-INVITE: hold, resume, another address. A refused one leaves the media as it was (RFC 3261 s14.2)."""
        try:
            if body is None:
                self._our_offer = offer(self._capabilities, self._address, self._local)
                self.session.accept(str(self._our_offer).encode(), now)
            else:
                self._accept(SessionDescription.parse(body), now)
        except ProtocolError as error:
            self.session.reject(error.status, now, str(error))

    def refuse(self, status: int, reason: str, now: float) -> None:
        self.session.reject(status, now, reason)

    def hangup(self, now: float) -> None:
        self.session.hangup(now)

    def _accept(self, remote: SessionDescription, now: float) -> None:
        local, plan = answer(remote, self._capabilities, self._address, self._local)
        self.session.accept(str(local).encode(), now)
        self._connect(plan)

    def _connect(self, plan: MediaPlan) -> None:
        self.plan = plan
        self._effects.media(
            media.Connect(
                self.leg,
                plan.remote,
                plan.codec,
                plan.payload_type,
                plan.digit_payload_type,
                plan.direction,
                plan.remote_rtcp,
            )
        )


class Guest(SipParty):
    """The far end of another call, lent to a second one, which has a leg of its own there and no say in the session."""

    is_guest = True

    def __init__(self, caller: SipParty, leg: int, effects: Effects) -> None:
        super().__init__(caller.session, None, leg, effects, caller._capabilities)
        self.plan = caller.plan

    def hangup(self, now: float) -> None:
        """The far end stays where it is."""


def info_digit(content_type: str, body: bytes) -> str:
    """The key in a SIP INFO (application/dtmf-relay or application/dtmf), "" if there is none."""
    if content_type.split(";")[0].strip().lower() not in DIGIT_TYPES:
        return ""
    text = body.decode("ascii", "replace").strip()
    for line in text.splitlines():
        name, equals, value = line.partition("=")
        if equals and name.strip().lower() == "signal":
            text = value.strip()
            break
    key = {"10": "*", "11": "#"}.get(text, text[:1].upper())
    return key if key and key in KEYS else ""
