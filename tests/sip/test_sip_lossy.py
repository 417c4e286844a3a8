"""Two user agents, a network that loses, doubles and reorders, houses that do anything at any time: they end agreed."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from sip_network import Network, Peer

from ivrnode.sip.events import Accepted, Confirmed, Ended, Invited, Offered, Rejected
from ivrnode.sip.invite import SessionState

OVER = (Ended, Rejected)


class House:
    """Plays the hall of one peer: answers offers, and notes which exchange of offer and answer is in force.

    Offers and answers are texts: `3` is the third offer made in this test, `3!` its answer.
    """

    def __init__(self, peer: Peer, refuses: Any) -> None:
        self.peer = peer
        self.refuses = refuses
        self.in_force: dict[str, bytes] = {}
        peer.on_event = self.hear

    def hear(self, peer: Peer, event: Any) -> None:
        now = peer.network.now
        if isinstance(event, Accepted):
            if event.is_offer:
                event.session.accept(event.body + b"!", now)
                self.in_force[event.session.call_id] = event.body
            else:
                self.in_force[event.session.call_id] = event.body.rstrip(b"!")
        elif isinstance(event, Confirmed) and event.body is not None:
            self.in_force[event.session.call_id] = event.body.rstrip(b"!")
        elif isinstance(event, Offered):
            if self.refuses():
                event.session.reject(488, now)
            elif event.offer is None:
                event.session.accept(self.peer.next_offer(), now)  # type: ignore[attr-defined]
            else:
                self.in_force[event.session.call_id] = event.offer
                event.session.accept(event.offer + b"!", now)


class LossyCalls(RuleBasedStateMachine):
    @initialize(seed=st.integers(0, 2**32), transport=st.sampled_from(["udp", "udp", "tcp"]))
    def begin(self, seed: int, transport: str) -> None:
        self.network = Network(seed)
        self.offers = 0
        self.peers = [self.network.add(host, transport=transport) for host in ("192.0.2.1", "192.0.2.2")]  # type: ignore[arg-type]
        self.is_stream = transport == "tcp"
        for peer in self.peers:
            peer.next_offer = self.next_offer  # type: ignore[attr-defined]
        self.houses = [House(peer, lambda: self.network.random.random() < 0.2) for peer in self.peers]

    def next_offer(self) -> bytes:
        self.offers += 1
        return b"%d" % self.offers

    @rule(
        loss=st.sampled_from([0.0, 0.1, 0.3]),
        doubling=st.sampled_from([0.0, 0.3]),
        slowest=st.sampled_from([0.02, 0.3, 2.0]),
    )
    def weather(self, loss: float, doubling: float, slowest: float) -> None:
        if not self.is_stream:
            self.network.loss, self.network.doubling, self.network.delays = loss, doubling, (0.005, slowest)

    @rule(side=st.booleans(), is_late=st.booleans())
    def call(self, side: bool, is_late: bool) -> None:
        caller, callee = self.peers[side], self.peers[not side]
        caller.call(callee, b"" if is_late else self.next_offer())

    def incoming(self, side: bool) -> list[Any]:
        return [event for event in self.peers[side].of(Invited) if event.session.state is SessionState.INVITED]

    @rule(side=st.booleans(), status=st.sampled_from([180, 183]))
    def ring(self, side: bool, status: int) -> None:
        for event in self.incoming(side):
            event.session.ring(self.network.now, status)

    @rule(side=st.booleans())
    def accept(self, side: bool) -> None:
        for event in self.incoming(side):
            if event.offer is None:
                event.session.accept(self.next_offer(), self.network.now)
            else:
                self.houses[side].in_force[event.session.call_id] = event.offer
                event.session.accept(event.offer + b"!", self.network.now)

    @rule(side=st.booleans(), is_late=st.booleans())
    def talk(self, side: bool, is_late: bool) -> None:
        """A call that is answered soon, so that more of them come to talk than chance would bring."""
        self.call(side, is_late)
        self.network.run(1.0)
        self.accept(not side)
        self.network.run(1.0)

    @rule(side=st.booleans(), status=st.sampled_from([486, 603]))
    def reject(self, side: bool, status: int) -> None:
        for event in self.incoming(side):
            event.session.reject(status, self.network.now)

    def sessions(self, side: bool) -> list[Any]:
        return list(self.peers[side].agent._sessions.values())

    @rule(side=st.booleans(), index=st.integers(0, 3), is_late=st.booleans())
    def reinvite(self, side: bool, index: int, is_late: bool) -> None:
        for session in self.sessions(side)[index : index + 1]:
            session.reinvite(b"" if is_late else self.next_offer(), self.network.now)

    @rule(side=st.booleans(), index=st.integers(0, 3))
    def info(self, side: bool, index: int) -> None:
        for session in self.sessions(side)[index : index + 1]:
            session.send_info("text/plain", b"x", self.network.now)

    @rule(side=st.booleans(), index=st.integers(0, 3))
    def hangup(self, side: bool, index: int) -> None:
        for session in self.sessions(side)[index : index + 1]:
            session.hangup(self.network.now)

    @rule(seconds=st.sampled_from([0.0, 0.01, 0.1, 1.0, 5.0, 40.0]))
    def wait(self, seconds: float) -> None:
        self.network.run(seconds)

    @invariant()
    def no_session_ends_twice(self) -> None:
        for peer in self.peers:
            over = [id(event.session) for event in peer.events if isinstance(event, OVER)]
            assert len(over) == len(set(over))

    def teardown(self) -> None:
        if not hasattr(self, "network"):
            return
        self.network.run(150)
        self.assert_agreement()
        for peer in self.peers:
            for session in list(peer.agent._sessions.values()):
                session.hangup(self.network.now)
        self.network.run(300)
        for peer in self.peers:
            assert peer.agent.session_count == 0
            assert len(peer.agent.layer) == 0
            assert peer.agent.next_deadline() is None
            started = {id(event.session) for event in peer.of(Invited)}
            over = {id(event.session) for event in peer.events if isinstance(event, OVER)}
            assert started <= over

    def assert_agreement(self) -> None:
        """A call is up on both sides, with the same offer and answer in force, or on neither."""
        up = []
        for peer in self.peers:
            sessions = peer.agent._sessions.values()
            up.append({session.call_id for session in sessions if session.state is SessionState.CONFIRMED})
        assert up[0] == up[1]
        for call_id in up[0]:
            assert self.houses[0].in_force[call_id] == self.houses[1].in_force[call_id]


LossyCalls.TestCase.settings = settings(
    max_examples=60, stateful_step_count=20, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
test_two_user_agents_end_in_agreement = LossyCalls.TestCase


@pytest.mark.parametrize("seed", range(4))
def test_one_message_in_ten_lost_loses_no_call(seed: int) -> None:
    """100 calls of 2 s at 50 a second, answered at once, with 10 % loss, doubling and reordering."""
    network = Network(seed)
    network.loss, network.doubling, network.delays = 0.1, 0.1, (0.005, 0.08)
    alice, bob = network.add("192.0.2.1"), network.add("192.0.2.2")

    def serve(peer: Peer, event: Any) -> None:
        if isinstance(event, Invited):
            event.session.ring(network.now)
            event.session.accept(b"answer", network.now)

    bob.on_event = serve
    calls: list[tuple[float, Any]] = []
    for number in range(200):
        if number < 100:
            calls.append((network.now + 2.0, alice.call(bob)))
        while calls and calls[0][0] <= network.now:
            calls.pop(0)[1].hangup(network.now)
        network.run(0.02)
    for _, session in calls:
        session.hangup(network.now)
    network.run(100)
    assert len(alice.of(Accepted)) == 100
    assert len(bob.of(Confirmed)) >= 97  # the others' BYE came before any of their ACKs
    assert [event.reason for event in bob.of(Ended)] == ["bye"] * 100
    assert alice.agent.session_count == bob.agent.session_count == 0
