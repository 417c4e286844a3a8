"""Two user agents, houses that do anything, and a wire on which messages go wrong: nobody raises, and nothing stays."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sip_network import ANSWER, OFFER
from torture_messages import RFC4475, RFC5118

from ivrnode.sip import events as sip
from ivrnode.sip.address import NameAddr
from ivrnode.sip.digest import Credentials, DigestServer
from ivrnode.sip.flow import Flow, Transport
from ivrnode.sip.invite import InviteSession, SessionState
from ivrnode.sip.registrar import Registrar
from ivrnode.sip.uri import Uri
from ivrnode.sip.user_agent import UserAgent
from mutation import mutate

EXAMPLES = 120
"""A run of some 8,000, two minutes of them, found nothing any more."""
LONGEST = 4000.0
"""After so many seconds without a message every timer has run out: registrations are tried again up to then."""
CREDENTIALS = Credentials("phone", "secret")
TORTURE = [case.data for case in RFC4475 + RFC5118]


class House:
    """One end: answers its events at random, and does things of its own."""

    def __init__(self, random: Random, transport: Transport, local: str, remote: str) -> None:
        self.random, self.registrar = random, Registrar()
        self.digest = DigestServer(b"k" * 32)
        self.agent = UserAgent(Random(random.random()), lambda flow: flow.local, user=local)
        self.flow = Flow(transport, (local, 5060), (remote, 5060), 1)
        self.is_leaving = self.is_idle = False
        self.sessions: list[InviteSession] = []
        self.registrations: list[Any] = []
        self.asked: list[sip.Asked] = []
        self.name = NameAddr("", Uri("sip", "phone", host=local))
        self.target = Uri("sip", "callee", host=remote)

    def hear(self, now: float) -> None:
        while events := self.agent.events():
            for event in events:
                session = getattr(event, "session", None)
                if session is not None and session not in self.sessions:
                    self.sessions.append(session)
                if self.is_leaving:
                    self.leave(now)
                if isinstance(event, sip.Asked):
                    self.answer(event, now)
                elif isinstance(event, sip.Invited | sip.Offered) and not self.is_idle and self.random.random() < 0.6:
                    self.act_on(event.session, now)

    def answer(self, event: sip.Asked, now: float) -> None:
        request, respond = event.request, self.agent.respond
        if self.random.random() < 0.2 and not self.is_leaving:
            self.asked.append(event)  # later
            return
        if request.method == "REGISTER":
            verdict = self.digest.verify(request, "realm", lambda name: "secret", self.flow.remote[0], now)
            if not verdict.is_ok:
                values = self.digest.challenges("realm", self.flow.remote[0], now, verdict.outcome == "stale")
                respond(event, 401, now, None, [("WWW-Authenticate", value) for value in values])
                return
            status, reason, headers = self.registrar.process(request, "phone@realm", event.flow, now)
            respond(event, status, now, reason, headers)
        else:
            respond(event, self.random.choice((200, 404, 405, 503)), now)

    def act(self, now: float) -> None:
        """Something of its own."""
        choice = self.random.randrange(12)
        if choice == 0 or not self.sessions:
            body = self.random.choice((OFFER, OFFER, b""))
            self.sessions.append(
                self.agent.invite(
                    self.target, self.flow, now, from_=self.name, body=body, credentials=CREDENTIALS
                )
            )  # fmt: skip
        elif choice == 1:
            self.agent.request("OPTIONS", self.target, self.flow, now, from_=self.name)
        elif choice == 2:
            self.registrations.append(
                self.agent.register(self.name.uri, self.target, self.flow, now, credentials=CREDENTIALS)
            )
        elif choice == 3 and self.registrations:
            self.random.choice(self.registrations).unregister(now)
        elif choice == 4 and self.asked:
            self.agent.respond(self.asked.pop(), 200, now)
        elif choice == 5 and self.random.random() < 0.2:
            self.lose_flow(now)
        else:
            self.act_on(self.random.choice(self.sessions), now)

    def act_on(self, session: InviteSession, now: float) -> None:
        match self.random.randrange(8):
            case 0:
                session.ring(now, self.random.choice((180, 183)))
            case 1 | 2:
                session.accept(ANSWER, now)
            case 3:
                session.reject(self.random.choice((302, 401, 486, 488, 600)), now)
            case 4:
                session.hangup(now)
            case 5:
                session.reinvite(self.random.choice((OFFER, b"")), now)
            case 6:
                session.send_info("application/dtmf-relay", b"Signal=1", now)
            case _:
                session.refer(self.target, now)

    def lose_flow(self, now: float) -> None:
        if self.flow.is_stream:
            self.agent.flow_closed(self.flow, now)
            self.registrar.flow_closed(self.flow)
            self.flow = Flow(self.flow.transport, self.flow.local, self.flow.remote, self.flow.id + 1)
        else:
            self.agent.flow_refused(self.flow, now)

    def leave(self, now: float) -> None:
        """From now on everything is ended that is there or comes."""
        self.is_leaving = True
        for session in self.sessions:
            session.hangup(now)
        for registration in self.registrations:
            registration.unregister(now)
        for event in self.asked:
            self.agent.respond(event, 200, now)
        self.asked.clear()

    @property
    def remains(self) -> dict[str, object]:
        agent, layer = self.agent, self.agent.layer
        return {
            "transactions": len(layer), "sessions": agent.session_count,
            "flows of sessions": len(agent._sessions_of_flow),
            "flows of transactions": len(layer._of_stream), "merge keys": len(layer._merge_keys),
            "deadlines": layer.deadlines.next(), "registrations": len(agent._registrations),
        }  # fmt: skip


class Wire:
    def __init__(self, seed: int, transport: Transport) -> None:
        self.random, self.now = Random(seed), 1000.0
        self.houses = [
            House(self.random, transport, "192.0.2.1", "192.0.2.2"),
            House(self.random, transport, "192.0.2.2", "192.0.2.1"),
        ]
        self.seen: list[bytes] = list(TORTURE)

    def run(self) -> None:
        for _ in range(40):
            self.random.choice(self.houses).act(self.now)
            self.carry(0.4)
            self.pass_time(self.random.choice((0.0, 0.01, 0.3, 2.0, 33.0)), 0.4)
        for house in self.houses:
            house.leave(self.now)
        self.pass_time(LONGEST, self.random.choice((0.0, 0.4)))

    def carry(self, faults: float) -> None:
        for _ in range(50):
            letters = [
                (data, self.houses[not number])
                for number, house in enumerate(self.houses)
                for data, _ in house.agent.to_send()
            ]
            if not letters:
                return
            for data, receiver in letters:
                for copy in self.on_the_way(data, faults):
                    receiver.agent.receive(copy, receiver.flow, self.now)
                    receiver.hear(self.now)

    def on_the_way(self, data: bytes, faults: float) -> list[bytes]:
        self.seen.append(data)
        if len(self.seen) > 400:
            del self.seen[len(TORTURE)]
        if self.random.random() >= faults:
            return [data]
        recent = self.seen[-30:]
        match self.random.randrange(6):
            case 0:
                return []
            case 1:
                return [data, self.random.choice(self.seen)]
            case 2:
                return [data, mutate(data, recent, self.random)]
            case _:
                return [mutate(data, recent, self.random)]

    def pass_time(self, seconds: float, faults: float) -> None:
        end = self.now + seconds
        while True:
            moments = [house.agent.next_deadline() for house in self.houses]
            due = min((moment for moment in moments if moment is not None and moment <= end), default=None)
            if due is None:
                break
            self.now = max(self.now, due)
            for house in self.houses:
                house.agent.tick(self.now)
                house.registrar.tick(self.now)
                house.hear(self.now)
            self.carry(faults)
        self.now = end


@settings(max_examples=EXAMPLES)
@given(seed=st.integers(0, 2**32), transport=st.sampled_from(["udp", "udp", "tcp", "ws"]))
def test_whatever_comes_nothing_is_raised_and_nothing_stays(seed: int, transport: Transport) -> None:
    wire = Wire(seed, transport)
    wire.run()
    for house in wire.houses:
        assert not any(house.remains.values()), house.remains


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_after_the_torture_a_call_is_taken_and_nothing_stays(transport: Transport) -> None:
    wire = Wire(4475, transport)
    house = wire.houses[0]
    for data in TORTURE * 2:
        house.agent.receive(data, house.flow, wire.now)
        house.hear(wire.now)
    caller = wire.houses[1].agent
    session = caller.invite(wire.houses[1].target, wire.houses[1].flow, wire.now, from_=house.name, body=OFFER)
    house.agent.to_send()
    house.is_idle = True
    wire.carry(0.0)
    house.sessions[-1].accept(ANSWER, wire.now)
    wire.carry(0.0)
    assert session.state is SessionState.CONFIRMED
    for house in wire.houses:
        house.leave(wire.now)
    wire.pass_time(LONGEST, 0.0)
    for house in wire.houses:
        assert not any(house.remains.values()), house.remains
