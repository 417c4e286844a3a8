"""Route sets, targets, CSeq order and tags (RFC 3261 s12)."""

from __future__ import annotations

from typing import Any

import pytest
from sip_network import ANSWER, OFFER, Network, Probe, statuses, text

from ivrnode.errors import ProtocolError
from ivrnode.sip.dialog import Dialog
from ivrnode.sip.events import Confirmed, Ended, InfoReceived, Invited, Offered
from ivrnode.sip.flow import Flow
from ivrnode.sip.message import Request, parse_message

LOOSE = "Record-Route: <sip:p2.example;lr>\nRecord-Route: <sip:p1.example;lr=on>"


def invite(headers: str = "", contact: str = "<sip:phone@198.51.100.7:40000>") -> Request:
    message = parse_message(text("INVITE", headers=headers, contact=contact, body=OFFER))
    assert isinstance(message, Request)
    return message


def in_call(probe: Probe, headers: str = "") -> Any:
    """A confirmed session of `probe`, called by the phone of `text`."""
    probe.send(text("INVITE", body=OFFER, headers=headers))
    session = probe.last(Invited).session
    session.accept(ANSWER, probe.now)
    probe.drain()
    probe.send(text("ACK", branch="z9hG4bKack", to_tag=session.local_tag))
    assert probe.count(Confirmed) == 1
    return session


def test_server_side_routes_follow_record_route_as_it_stands() -> None:
    bye = Dialog.from_request(invite(LOOSE), "mine").request("BYE")
    assert str(bye.uri) == "sip:phone@198.51.100.7:40000"
    assert bye.headers.get_all("Route") == ["<sip:p2.example;lr>", "<sip:p1.example;lr=on>"]
    assert bye.from_.tag == "mine" and bye.to.tag == "from-1"


def test_client_side_routes_follow_record_route_turned_round() -> None:
    request = invite()
    response = request.response(200, to_tag="theirs")
    for route in ("<sip:p2.example;lr>, <sip:p1.example;lr>", "<sip:p0.example;lr>"):
        response.headers.add("Record-Route", route)
    response.headers.add("Contact", "<sip:callee@192.0.2.2>")
    bye = Dialog.from_response(request, response).request("BYE")
    assert str(bye.uri) == "sip:callee@192.0.2.2"
    assert bye.headers.get_all("Route") == ["<sip:p0.example;lr>", "<sip:p1.example;lr>", "<sip:p2.example;lr>"]
    assert bye.cseq.number == 2 and bye.to.tag == "theirs"


def test_a_strict_router_becomes_the_request_uri() -> None:
    routes = "Record-Route: <sip:strict.example>, <sip:loose.example;lr>"
    bye = Dialog.from_request(invite(routes), "mine").request("BYE")
    assert str(bye.uri) == "sip:strict.example"
    assert bye.headers.get_all("Route") == ["<sip:loose.example;lr>", "<sip:phone@198.51.100.7:40000>"]


def test_a_dialog_needs_a_contact() -> None:
    with pytest.raises(ProtocolError) as error:
        Dialog.from_request(invite(contact=""), "mine")
    assert error.value.status == 400


def test_record_route_comes_back_in_order_in_every_answer_that_makes_the_dialog() -> None:
    probe = Probe()
    probe.send(text("INVITE", headers=LOOSE, body=OFFER))
    session = probe.last(Invited).session
    session.ring(probe.now)
    session.accept(ANSWER, probe.now)
    for response in probe.drain():
        assert response.headers.get_all("Record-Route") == ["<sip:p2.example;lr>", "<sip:p1.example;lr=on>"]
        assert str(response.contacts[0].uri) == "sip:ivrnode@192.0.2.9:5060"


def test_a_call_through_a_record_routing_proxy_survives_ack_reinvite_and_bye() -> None:
    probe = Probe()
    session = in_call(probe, LOOSE)
    [answer] = probe_reinvite(probe, session, headers=LOOSE)
    assert answer.status == 200 and answer.to.tag == session.local_tag
    session.hangup(probe.now)
    [bye] = probe.drain()
    assert bye.headers.get_all("Route") == ["<sip:p2.example;lr>", "<sip:p1.example;lr=on>"]
    assert probe.flows[-1] == probe.flow


def probe_reinvite(probe: Probe, session: Any, cseq: int = 2, **more: Any) -> list[Any]:
    branch = f"z9hG4bKre{cseq}"
    probe.send(text("INVITE", branch=branch, cseq=cseq, to_tag=session.local_tag, body=OFFER, **more))
    session.accept(ANSWER, probe.now)
    answer = probe.drain()
    probe.send(text("ACK", branch=branch + "ack", cseq=cseq, to_tag=session.local_tag))
    return answer


def test_a_reinvite_moves_target_and_flow() -> None:
    probe = Probe()
    session = in_call(probe)
    moved = Flow("udp", ("192.0.2.9", 5060), ("198.51.100.200", 5070), 7)
    probe.send(
        text("INVITE", branch="b", cseq=2, to_tag=session.local_tag, body=OFFER, contact="<sip:new@10.0.0.1>"), moved
    )
    assert probe.last(Offered).flow == moved
    session.accept(ANSWER, probe.now)
    session.hangup(probe.now)
    bye = probe.drain()[-1]
    assert str(bye.uri) == "sip:new@10.0.0.1"
    assert probe.flows[-1] == moved


def test_a_refused_reinvite_moves_nothing() -> None:
    probe = Probe()
    session = in_call(probe)
    probe.send(text("INVITE", branch="b", cseq=2, to_tag=session.local_tag, body=OFFER, contact="<sip:new@10.0.0.1>"))
    session.reject(488, probe.now)
    assert list(statuses(probe.drain())) == [488]
    session.hangup(probe.now)
    assert str(probe.drain()[0].uri) == "sip:phone@198.51.100.7:40000"
    assert probe.count(Ended) == 1


def test_requests_to_a_phone_behind_nat_go_over_its_flow_not_to_its_contact() -> None:
    probe = Probe()
    probe.send(text("INVITE", body=OFFER, contact="<sip:phone@192.168.1.5:5060>"))
    session = probe.last(Invited).session
    session.accept(ANSWER, probe.now)
    probe.drain()
    probe.send(text("ACK", branch="b", to_tag=session.local_tag))
    session.hangup(probe.now)
    [bye] = probe.drain()
    assert str(bye.uri) == "sip:phone@192.168.1.5:5060"
    assert probe.flows[-1].remote == ("198.51.100.7", 40000)


def test_rport_is_filled_and_the_answer_goes_to_the_source() -> None:
    probe = Probe()
    source = Flow("udp", ("192.0.2.9", 5060), ("203.0.113.5", 61000), 7)
    probe.send(text("OPTIONS", via="SIP/2.0/UDP 192.168.1.5:5060;branch=z9hG4bKn;rport"), source)
    probe.agent.respond(probe.events[-1], 200, probe.now)  # type: ignore[arg-type]
    [answer] = probe.drain()
    assert (answer.top_via.received, answer.top_via.rport) == ("203.0.113.5", 61000)
    assert answer.top_via.host == "192.168.1.5" and probe.flows == [source]


@pytest.mark.parametrize("cseq", [0, 1])
def test_a_cseq_that_is_not_higher_gives_500(cseq: int) -> None:
    probe = Probe()
    session = in_call(probe)
    [answer] = probe.send(text("INFO", branch="b", cseq=cseq, to_tag=session.local_tag))
    assert answer.status == 500
    assert probe.count(InfoReceived) == 0
    [answer] = probe.send(text("INFO", branch="c", cseq=2, to_tag=session.local_tag))
    assert answer.status == 200


@pytest.mark.parametrize("method", ["BYE", "INVITE", "UPDATE", "INFO", "OPTIONS"])
@pytest.mark.parametrize("wrong", [{"to_tag": "x"}, {"from_tag": "x"}, {"call_id": "x"}])
def test_a_request_for_no_dialog_of_ours_gives_481(method: str, wrong: dict[str, str]) -> None:
    probe = Probe()
    session = in_call(probe)
    names = {"to_tag": session.local_tag, **wrong}
    [answer] = probe.send(text(method, branch="b", cseq=2, body=OFFER if method == "INVITE" else b"", **names))
    assert answer.status == 481
    assert probe.count(Ended) == 0


@pytest.mark.parametrize("method", ["BYE", "UPDATE", "INFO"])
def test_a_method_that_needs_a_dialog_gives_481_without_one(method: str) -> None:
    [answer] = Probe().send(text(method))
    assert answer.status == 481 and answer.to.tag


def test_an_ack_with_a_wrong_tag_gives_nothing_and_does_not_count() -> None:
    probe = Probe()
    probe.send(text("INVITE", body=OFFER))
    session = probe.last(Invited).session
    session.accept(ANSWER, probe.now)
    probe.drain()
    for wrong in ({"to_tag": "x"}, {"to_tag": session.local_tag, "from_tag": "x"}):
        assert probe.send(text("ACK", branch="b", **wrong)) == []
    assert probe.count(Confirmed) == 0
    assert len(probe.wait(1)) == 1


def test_ack_and_bye_of_a_call_of_ours_use_route_set_and_contact_of_the_2xx() -> None:
    network = Network()
    alice, bob = network.add("192.0.2.1"), network.add("192.0.2.2")
    session = alice.call(bob)
    network.run(0.1)
    bob.of(Invited)[0].session.accept(ANSWER, network.now)
    [answer] = [parse_message(data) for data, _ in bob.agent.to_send()]
    answer.headers.add("Record-Route", "<sip:p1.example;lr>")
    answer.headers.add("Record-Route", "<sip:p2.example;lr>")
    alice.agent.receive(bytes(answer), alice.flow_to(bob), network.now)
    network.drain()
    session.hangup(network.now)
    network.drain()
    for what in ("ACK", "BYE"):
        [request] = alice.messages(what)
        assert request.headers.get_all("Route") == ["<sip:p2.example;lr>", "<sip:p1.example;lr>"]
        assert str(request.uri) == "sip:user2@192.0.2.2:5060"


@pytest.mark.parametrize("who_ends", ["we", "they"])
def test_a_reinvite_that_only_rings_is_not_waited_for_after_the_end(who_ends: str) -> None:
    probe = Probe()
    session = in_call(probe)
    session.reinvite(OFFER, probe.now)
    [invite] = probe.drain()
    assert probe.send(bytes(invite.response(180))) == []
    if who_ends == "we":
        session.hangup(probe.now)
        sent = probe.drain()
    else:
        sent = probe.send(text("BYE", branch="z9hG4bKbye", to_tag=session.local_tag, cseq=2))
    for request in [message for message in sent if isinstance(message, Request)]:
        probe.send(bytes(request.response(200)))
    assert next(message.method for message in sent if isinstance(message, Request)) == "CANCEL"
    probe.wait(100)
    assert len(probe.agent.layer) == probe.agent.session_count == 0
    assert probe.agent.next_deadline() is None
