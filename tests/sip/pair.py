"""Two user agents and a call between them."""

from __future__ import annotations

from typing import Any

from sip_network import ANSWER, OFFER, Network, Peer

from ivrnode.sip.events import (
    Ended,
    Invited,
)


class Pair:
    """Alice calls Bob; `answer` puts them into a call."""

    def __init__(self, transport: Any = "udp", body: bytes = OFFER, **more: Any) -> None:
        self.network = Network()
        self.alice = self.network.add("192.0.2.1", transport=transport)
        self.bob = self.network.add("192.0.2.2", transport=transport)
        self.calling = self.alice.call(self.bob, body, **more)
        self.run(0.05)

    @property
    def called(self) -> Any:
        return self.bob.of(Invited)[0].session

    def run(self, seconds: float) -> None:
        self.network.run(seconds)

    @property
    def now(self) -> float:
        return self.network.now

    def answer(self) -> Pair:
        self.called.accept(ANSWER, self.now)
        self.run(0.05)
        return self

    def assert_quiet(self) -> None:
        """Nothing is left of any call, on either side."""
        self.run(200)
        for peer in (self.alice, self.bob):
            assert peer.agent.session_count == 0
            assert len(peer.agent.layer) == 0
            assert peer.agent.next_deadline() is None


def reasons(peer: Peer) -> list[str]:
    return [event.reason for event in peer.of(Ended)]
