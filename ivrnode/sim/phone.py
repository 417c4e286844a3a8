"""A phone on the desk: the real SIP user agent and a handset. It calls, or it registers and is called."""

from __future__ import annotations

import itertools
import random

from ivrnode.errors import ProtocolError
from ivrnode.media.messages import Address
from ivrnode.sdp.description import SessionDescription
from ivrnode.sdp.negotiation import Capabilities, LocalSession, MediaPlan, accept_answer, answer, offer
from ivrnode.sim.handset import Handset
from ivrnode.sim.network import NODE, SIP_PORT, Clock, Network
from ivrnode.sip import events as sip
from ivrnode.sip.address import NameAddr
from ivrnode.sip.digest import Credentials
from ivrnode.sip.flow import Flow
from ivrnode.sip.invite import InviteSession
from ivrnode.sip.uri import Uri
from ivrnode.sip.user_agent import UserAgent

DOMAIN = "localhost"
_CAPABILITIES = Capabilities(codecs=("PCMU",))
_hosts = itertools.count(1)


class Phone:
    """One call at a time. `is_up` between answer and end; `refusal`: why the call never came to be."""

    def __init__(self, network: Network, clock: Clock, user: str, name: str = "", *, answers: int = 200) -> None:
        """`answers`: how it takes a call: 200, or the SIP status that it refuses it with; 180: it rings on."""
        host = f"198.51.100.{next(_hosts) % 250 + 1}"  # RFC 5737
        self.user, self.answers = user, answers
        self.is_up = self.is_registered = False
        self.refusal = ""
        self.session: InviteSession | None = None
        self._network, self._clock, self._name = network, clock, name
        self._address: Address = (host, SIP_PORT)
        self._ids = random.Random(host)
        self._agent = UserAgent(self._ids, lambda flow: flow.local, user)
        self._flow = Flow("udp", self._address, (NODE, SIP_PORT), 1)
        self._local = LocalSession(1)
        self._offer: SessionDescription | None = None
        self.handset = Handset(network, host, self._ids)
        network.join(self._address, self._received)

    def dial(self, extension: str) -> None:
        self._offer = offer(_CAPABILITIES, self.handset.address, self._local)
        self.session = self._agent.invite(
            Uri.parse(f"sip:{extension}@{DOMAIN}"),
            self._flow,
            self._clock.now,
            from_=NameAddr(self._name, Uri.parse(f"sip:{self.user}@{DOMAIN}")),
            body=str(self._offer).encode(),
        )
        self._drain()

    def register(self, password: str) -> None:
        aor, registrar = Uri.parse(f"sip:{self.user}@{DOMAIN}"), Uri.parse(f"sip:{DOMAIN}")
        credentials = Credentials(self.user, password)
        self._agent.register(aor, registrar, self._flow, self._clock.now, credentials=credentials)
        self._drain()

    def hang_up(self) -> None:
        if self.session is not None:
            self.session.hangup(self._clock.now)
            self._drain()

    def tick(self) -> None:
        """20 ms have passed."""
        self._agent.tick(self._clock.now)
        self._drain()
        self.handset.tick(self._clock.now)

    def _received(self, data: bytes, source: Address) -> None:
        self._agent.receive(data, self._flow, self._clock.now)
        self._drain()

    def _drain(self) -> None:
        while events := self._agent.events():
            for event in events:
                self._told(event)
        for data, flow in self._agent.to_send():
            self._network.send(data, self._address, flow.remote)

    def _told(self, event: sip.Event) -> None:
        now = self._clock.now
        match event:
            case sip.Accepted() if self._offer is not None:
                self._connect(accept_answer(self._offer, SessionDescription.parse(event.body)))
            case sip.Rejected():
                self.refusal = f"{event.status} {event.reason}"
            case sip.Ended() if event.session is self.session:
                self.is_up, self.session = False, None
                self.handset.disconnect()
            case sip.Invited():
                self._invited(event)
            case sip.Offered():
                self._take(event.session, event.offer)
            case sip.Registered():
                self.is_registered = event.expires > 0
            case sip.Asked():
                self._agent.respond(event, 200 if event.request.method == "OPTIONS" else 405, now)
            case _:
                pass

    def _invited(self, event: sip.Invited) -> None:
        if self.session is not None or self.answers >= 300:
            event.session.reject(486 if self.answers < 300 else self.answers, self._clock.now)
            return
        self.session = event.session
        event.session.ring(self._clock.now)
        if self.answers == 200:
            self._take(event.session, event.offer)

    def _take(self, session: InviteSession, body: bytes | None) -> None:
        """Answer an offer. Without one the core is to be asked for it: no phone here is called like that."""
        try:
            if body is None:
                raise ProtocolError("no offer", status=488)
            ours, plan = answer(SessionDescription.parse(body), _CAPABILITIES, self.handset.address, self._local)
        except ProtocolError as error:
            session.reject(error.status, self._clock.now, str(error))
            return
        session.accept(str(ours).encode(), self._clock.now)
        self._connect(plan)

    def _connect(self, plan: MediaPlan) -> None:
        self.is_up = True
        self.handset.connect(plan, self._clock.now)
