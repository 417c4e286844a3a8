"""Our own registration with somebody else: refreshed, refused, found again, taken back."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from sip_network import Network, Peer

from ivrnode.sip.digest import Credentials, DigestServer
from ivrnode.sip.events import Asked, Registered, RegistrationFailed
from ivrnode.sip.registrar import Registrar
from ivrnode.sip.uri import Uri

AOR = "sip:7@example.com"


class Office:
    """A phone that registers at a registrar with digest."""

    def __init__(self, transport: Any = "udp", expires: int = 300, password: str = "wonder", **more: int) -> None:
        self.network = Network()
        self.phone = self.network.add("192.0.2.1", transport=transport)
        self.server = self.network.add("192.0.2.2", transport=transport)
        self.registrar = Registrar(**more)
        self.digest = DigestServer(b"secret")
        self.refusal = 0
        self.server.on_event = self.answer
        self.registration = self.phone.agent.register(
            Uri("sip", "7", host="example.com"),
            Uri("sip", host="example.com"),
            self.phone.flow_to(self.server),
            self.network.now,
            credentials=Credentials("7", password),
            expires=expires,
        )
        self.network.run(1)

    def answer(self, peer: Peer, event: Any) -> None:
        assert isinstance(event, Asked)
        now = self.network.now
        if self.refusal:
            peer.agent.respond(event, self.refusal, now)
            return
        verdict = self.digest.verify(event.request, "example.com", {"7": "wonder"}.get, "s", now)
        if verdict.is_ok:
            status, reason, headers = self.registrar.process(event.request, AOR, event.flow, now)
            peer.agent.respond(event, status, now, reason, headers)
        else:
            challenges = [("WWW-Authenticate", one) for one in self.digest.challenges("example.com", "s", now)]
            peer.agent.respond(event, 401, now, headers=challenges)

    def told(self) -> list[tuple[str, int]]:
        told = []
        for event in self.phone.events:
            if isinstance(event, Registered):
                told.append(("registered", event.expires))
            elif isinstance(event, RegistrationFailed):
                told.append(("failed", event.status))
        return told

    def bindings(self) -> int:
        return len(self.registrar.bindings(AOR, self.network.now))


def test_a_registration_refreshes_itself_until_it_is_taken_back() -> None:
    office = Office()
    assert office.told() == [("registered", 300)] and office.registration.is_registered
    office.network.run(1000)
    assert office.told() == [("registered", 300)] * 7 and office.bindings() == 1
    requests = office.phone.messages("REGISTER")
    assert [request.cseq.number for request in requests] == list(range(1, len(requests) + 1))
    assert len({request.call_id for request in requests}) == 1
    office.registration.unregister(office.network.now)
    office.registration.unregister(office.network.now)
    office.network.run(1000)
    assert office.told()[7:] == [("registered", 0)] and office.bindings() == 0
    assert office.phone.agent.next_deadline() is None


def test_423_is_met_with_the_longer_time() -> None:
    office = Office(expires=30)
    assert office.told() == [("registered", 60)]


def test_a_shorter_grant_is_kept() -> None:
    office = Office(expires=9000, max_expires=100)
    assert office.told() == [("registered", 100)]
    office.network.run(51)
    assert len(office.told()) == 2


def test_a_refused_registration_tries_again_ever_more_rarely() -> None:
    office = Office(password="guess")
    assert office.told() == [("failed", 401)]
    office.network.run(60 + 120 + 240 + 480 + 960 + 1800 + 1800 + 10)
    assert office.told() == [("failed", 401)] * 8
    moments = office.phone.sent_at("REGISTER")[::2]
    pauses = [round(later - sooner) for sooner, later in pairwise(moments)]
    assert pauses == [60, 120, 240, 480, 960, 1800, 1800]


def test_a_registrar_that_comes_back_is_found_again() -> None:
    office = Office()
    office.network.drops = lambda message: True
    office.network.run(200)
    assert office.told()[1:] == [("failed", 408)] and not office.registration.is_registered
    office.network.drops = lambda message: False
    office.network.run(200)
    assert office.told()[-1] == ("registered", 300)


def test_retry_after_is_obeyed() -> None:
    office = Office()
    office.server.on_event = lambda peer, event: peer.agent.respond(
        event, 503, office.network.now, headers=[("Retry-After", "7 (soon);duration=5")]
    )
    office.network.run(150)
    office.server.on_event = office.answer
    office.network.run(10)
    assert office.told() == [("registered", 300), ("failed", 503), ("registered", 300)]


@pytest.mark.parametrize("wait", [0.0, 149.045])
def test_a_registration_dies_with_its_stream(wait: float) -> None:
    office = Office("tcp")
    office.network.run(wait)
    assert len(office.phone.agent.layer) == (1 if wait else 0)
    office.phone.agent.flow_closed(office.registration.flow, office.network.now)
    office.network.run(1000)
    assert office.told() == [("registered", 300), ("failed", 503)]
    office.registration.unregister(office.network.now)
    assert office.phone.agent.to_send() == []


def test_unregistering_during_a_refresh_wins() -> None:
    office = Office()
    office.network.run(149.05)
    assert len(office.phone.messages("REGISTER")) == 3
    office.registration.unregister(office.network.now)
    office.network.run(500)
    assert office.told()[-1] == ("registered", 0) and office.bindings() == 0


@pytest.mark.parametrize("granted", ["9" * 5000, "9" * 30, "1e9", "-5", "soon"])
def test_a_registrar_that_grants_nonsense_is_asked_again_in_our_own_time(granted: str) -> None:
    office = Office()
    office.registrar.process = lambda request, aor, flow, now: (  # type: ignore[method-assign]
        200, "OK", [("Contact", f"{request.headers.get('Contact')};expires={granted}")]
    )  # fmt: skip
    office.network.run(1000)
    before = len(office.told())
    assert before >= 4
    assert office.phone.agent.next_deadline() is not None
    assert {what for what, _ in office.told()} == {"registered"}


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_of_a_registration_that_was_taken_back_nothing_stays(transport: str) -> None:
    office = Office(transport)
    assert len(office.phone.agent._registrations) == 1
    office.registration.unregister(office.network.now)
    office.network.run(100)
    assert office.phone.agent._registrations == {}
