"""Calls face to face: offer and answer, glare, forks, crossing messages, hanging up (RFC 3261 s13 to s15)."""

from __future__ import annotations

from typing import Any

import pytest
from pair import Pair, reasons
from sip_network import ANSWER, OFFER, Network, Peer, Probe, statuses, text

from ivrnode.sip.address import NameAddr
from ivrnode.sip.digest import Credentials, DigestServer
from ivrnode.sip.events import (
    Accepted,
    Asked,
    Confirmed,
    Ended,
    Invited,
    Rang,
    Rejected,
)
from ivrnode.sip.invite import SessionState
from ivrnode.sip.message import Request, Response, parse_message
from ivrnode.sip.outgoing_invite import MOST_FORKS
from ivrnode.sip.uri import Uri


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_a_call_from_invite_to_bye(transport: str) -> None:
    pair = Pair(transport)
    assert pair.bob.of(Invited)[0].offer == OFFER
    pair.called.ring(pair.now, 183, "Almost")
    pair.run(1)
    assert [(event.status, event.body) for event in pair.alice.of(Rang)] == [(183, None)]
    pair.answer()
    assert [event.body for event in pair.alice.of(Accepted)] == [ANSWER]
    assert [event.body for event in pair.bob.of(Confirmed)] == [None]
    assert pair.calling.state is pair.called.state is SessionState.CONFIRMED
    pair.called.hangup(pair.now, [("Reason", "Q.850;cause=16")])
    pair.run(1)
    assert reasons(pair.alice) == ["bye"] and reasons(pair.bob) == ["hangup"]
    assert ("Reason", "Q.850;cause=16") in pair.alice.of(Ended)[0].headers
    pair.assert_quiet()


def test_a_refused_call_is_rejected_once_and_not_ended() -> None:
    pair = Pair()
    pair.called.reject(486, pair.now, headers=[("Retry-After", "5")])
    pair.run(1)
    assert [(event.status, event.reason) for event in pair.alice.of(Rejected)] == [(486, "Busy Here")]
    assert pair.alice.of(Ended) == [] and reasons(pair.bob) == ["hangup"]
    [ack] = pair.alice.messages("ACK")
    assert ack.top_via.branch == pair.alice.messages("INVITE")[0].top_via.branch
    pair.assert_quiet()


def test_the_ack_to_a_2xx_has_its_own_branch_and_is_sent_for_each_repeat() -> None:
    pair = Pair()
    pair.network.drops = lambda message: isinstance(message, Request) and message.method == "ACK"
    pair.called.accept(ANSWER, pair.now)
    pair.run(5)
    acks = pair.alice.messages("ACK")
    assert len(acks) == len(pair.bob.messages("200")) == 4
    assert len({bytes(ack) for ack in acks}) == 1
    assert acks[0].top_via.branch != pair.alice.messages("INVITE")[0].top_via.branch
    assert acks[0].cseq.number == 1
    assert len(pair.alice.of(Accepted)) == 1


def test_an_absent_ack_ends_the_call_with_bye_after_32_s() -> None:
    pair = Pair()
    pair.network.drops = lambda message: isinstance(message, Request) and message.method == "ACK"
    pair.called.accept(ANSWER, pair.now)
    start = pair.now
    pair.run(40)
    assert [round(when - start, 3) for when in pair.bob.sent_at("BYE")] == [32.0]
    assert reasons(pair.bob) == ["no_ack"] and reasons(pair.alice) == ["bye"]
    assert pair.bob.of(Confirmed) == []
    pair.assert_quiet()


@pytest.mark.parametrize("both", [False, True])
def test_hangup_twice_or_from_both_sides_at_once_ends_the_call_once(both: bool) -> None:
    pair = Pair().answer()
    sides = [pair.calling, pair.called] if both else [pair.called, pair.called]
    for session in sides:
        session.hangup(pair.now)
    pair.run(1)
    pair.called.hangup(pair.now)
    assert len(reasons(pair.alice)) == len(reasons(pair.bob)) == 1
    assert len(pair.bob.messages("BYE")) == 1
    assert {message.status for message in pair.alice.messages("200") + pair.bob.messages("200")} == {200}
    pair.assert_quiet()


def test_hangup_of_an_unanswered_call_is_480_and_of_ours_a_cancel() -> None:
    pair = Pair()
    pair.called.hangup(pair.now)
    pair.run(1)
    assert [event.status for event in pair.alice.of(Rejected)] == [480]
    pair.assert_quiet()

    pair = Pair()
    pair.called.ring(pair.now)
    pair.run(1)
    pair.calling.hangup(pair.now, [("Reason", "SIP;cause=200")])
    pair.calling.hangup(pair.now)
    pair.run(1)
    assert reasons(pair.alice) == ["hangup"] and reasons(pair.bob) == ["cancel"]
    assert pair.alice.of(Rejected) == []
    assert ("Reason", "SIP;cause=200") in pair.bob.of(Ended)[0].headers
    assert len(pair.alice.messages("CANCEL")) == 1
    pair.assert_quiet()


def test_cancel_waits_for_a_provisional() -> None:
    pair = Pair()
    pair.calling.hangup(pair.now)
    pair.run(0.1)
    assert pair.alice.messages("CANCEL") == [] and reasons(pair.alice) == ["hangup"]
    pair.run(0.2)
    [cancel] = pair.alice.messages("CANCEL")
    invite = pair.alice.messages("INVITE")[0]
    assert bytes(cancel.top_via.branch or "", "ascii") == bytes(invite.top_via.branch or "", "ascii")
    assert (cancel.uri, cancel.cseq.number, cancel.to.tag) == (invite.uri, invite.cseq.number, None)
    assert reasons(pair.bob) == ["cancel"]
    pair.assert_quiet()


def test_a_cancelled_call_that_is_never_answered_is_given_up() -> None:
    pair = Pair()
    pair.called.ring(pair.now)
    pair.run(0.1)
    pair.network.drops = lambda message: True
    pair.calling.hangup(pair.now)
    pair.run(40)
    assert pair.alice.agent.session_count == 0 and len(pair.alice.agent.layer) == 0
    assert reasons(pair.alice) == ["hangup"]


def test_a_2xx_that_crosses_our_cancel_gets_ack_and_bye() -> None:
    pair = Pair()
    pair.called.ring(pair.now)
    pair.run(0.1)
    pair.called.accept(ANSWER, pair.now)
    pair.calling.hangup(pair.now)
    pair.run(1)
    assert len(pair.alice.messages("CANCEL")) == len(pair.alice.messages("ACK")) == 1
    assert len(pair.alice.messages("BYE")) == 1
    assert reasons(pair.alice) == ["hangup"] and reasons(pair.bob) == ["bye"]
    assert pair.alice.of(Accepted) == []
    pair.assert_quiet()


def test_hangup_between_200_and_ack_waits_with_its_bye() -> None:
    pair = Pair()
    pair.called.accept(ANSWER, pair.now)
    pair.called.hangup(pair.now)
    pair.network.drain()
    assert pair.bob.messages("BYE") == [] and reasons(pair.bob) == ["hangup"]
    pair.run(1)
    assert len(pair.bob.messages("BYE")) == 1 and reasons(pair.alice) == ["bye"]
    assert pair.bob.of(Confirmed) == []
    pair.assert_quiet()


def test_a_second_2xx_of_a_fork_gets_ack_and_bye_and_the_first_stays() -> None:
    pair = Pair()
    pair.called.accept(ANSWER, pair.now)
    pair.run(0.05)
    answer = bytes(pair.bob.messages("200")[0])
    other = answer.replace(pair.called.local_tag.encode(), b"another")
    for _ in range(2):
        pair.alice.agent.receive(other, pair.alice.flow_to(pair.bob), pair.now)
        pair.network.drain()
    strays = [m for m in pair.alice.messages("ACK") + pair.alice.messages("BYE") if m.to.tag == "another"]
    assert [stray.method for stray in strays] == ["ACK", "ACK", "BYE"]
    assert len(pair.alice.of(Accepted)) == 1 and pair.calling.state is SessionState.CONFIRMED
    pair.run(60)
    pair.calling.hangup(pair.now)
    pair.run(1)
    assert reasons(pair.bob) == ["bye"]
    pair.assert_quiet()


def test_early_dialogs_of_a_fork_keep_their_own_routes() -> None:
    pair = Pair()
    pair.called.ring(pair.now)
    [ringing] = [parse_message(data) for data, _ in pair.bob.agent.to_send()]
    for tag, proxy in (("one", "p1"), ("two", "p2")):
        copy = parse_message(bytes(ringing).replace(pair.called.local_tag.encode(), tag.encode()))
        copy.headers.add("Record-Route", f"<sip:{proxy}.example;lr>")
        pair.alice.agent.receive(bytes(copy), pair.alice.flow_to(pair.bob), pair.now)
    routes = {tag: str(dialog.route_set[0]) for tag, dialog in pair.calling._early.items()}
    assert routes == {"one": "<sip:p1.example;lr>", "two": "<sip:p2.example;lr>"}
    invite = pair.alice.messages("INVITE")[0]
    for tag, status in (("one", 200), ("three", 481)):
        info = Request("INFO", invite.contacts[0].uri)
        for name, value in (
            ("Via", f"SIP/2.0/UDP 192.0.2.2;branch=z9hG4bK{tag}"), ("From", f"{invite.to};tag={tag}"),
            ("To", str(invite.from_)), ("Call-ID", invite.call_id), ("CSeq", "1 INFO"),
        ):  # fmt: skip
            info.headers.add(name, value)
        pair.alice.agent.receive(bytes(info), pair.alice.flow_to(pair.bob), pair.now)
        assert list(statuses([parse_message(data) for data, _ in pair.alice.agent.to_send()])) == [status]


def test_hangup_pays_the_ack_that_is_owed() -> None:
    pair = Pair(body=b"")
    pair.called.accept(OFFER, pair.now)
    pair.run(0.1)
    pair.calling.hangup(pair.now)
    pair.run(1)
    assert [len(pair.alice.messages(what)) for what in ("ACK", "BYE")] == [1, 1]
    assert len(reasons(pair.bob)) == 1
    pair.assert_quiet()


@pytest.mark.parametrize("state", ["called", "calling", "confirmed"])
def test_a_dead_stream_ends_its_sessions(state: str) -> None:
    pair = Pair("tcp")
    if state == "confirmed":
        pair.answer()
    caller = pair.alice if state == "calling" else pair.bob
    other = pair.bob if state == "calling" else pair.alice
    caller.agent.flow_closed(caller.flow_to(other), pair.now)
    pair.network.drain()
    if state == "calling":
        assert [event.status for event in caller.of(Rejected)] == [503] and reasons(caller) == []
    else:
        assert reasons(caller) == ["transport"]
    assert caller.agent.session_count == 0


def test_bye_of_the_caller_before_the_answer_ends_the_invite_too() -> None:
    probe = Probe()
    probe.send(text("INVITE", body=OFFER))
    session = probe.last(Invited).session
    session.ring(probe.now)
    probe.drain()
    answers = probe.send(text("BYE", branch="z9hG4bKb", cseq=2, to_tag=session.local_tag))
    assert [(answer.status, answer.cseq.method) for answer in answers] == [(200, "BYE"), (487, "INVITE")]
    assert probe.last(Ended).reason == "bye"


def guarded(peer: Peer, network: Network, proxy: bool = False) -> None:
    """Let `peer` ask for a digest, of every request but ACK and CANCEL."""
    server = DigestServer(b"secret")
    asked, offered = (407, "Proxy-Authenticate") if proxy else (401, "WWW-Authenticate")

    def judge(peer: Peer, event: Any) -> None:
        if not isinstance(event, Invited | Asked):
            return
        request = event.request
        if proxy and (value := request.headers.get("Proxy-Authorization")):
            request.headers.add("Authorization", value)
        verdict = server.verify(request, "realm", {"alice": "wonder"}.get, "source", network.now)
        if verdict.is_ok:
            answer = event.session.accept if isinstance(event, Invited) else None
            if answer:
                answer(ANSWER, network.now)
            else:
                peer.agent.respond(event, 200, network.now)
            return
        challenges = [(offered, value) for value in server.challenges("realm", "source", network.now)]
        if isinstance(event, Invited):
            event.session.reject(asked, network.now, headers=challenges)
        else:
            peer.agent.respond(event, asked, network.now, headers=challenges)

    peer.on_event = judge


@pytest.mark.parametrize("proxy", [False, True])
@pytest.mark.parametrize("password", ["wonder", "guess"])
def test_a_challenged_invite_is_sent_once_more_with_credentials(proxy: bool, password: str) -> None:
    network = Network()
    alice, bob = network.add("192.0.2.1"), network.add("192.0.2.2")
    guarded(bob, network, proxy)
    session = alice.call(bob, credentials=Credentials("alice", password))
    network.run(1)
    first, second = alice.messages("INVITE")
    assert (first.cseq.number, second.cseq.number) == (1, 2)
    assert first.call_id == second.call_id and first.from_.tag == second.from_.tag
    assert first.top_via.branch != second.top_via.branch and len(second.vias) == 1
    if password == "wonder":
        name = "Proxy-Authorization" if proxy else "Authorization"
        ack = alice.messages("ACK")[-1]
        assert ack.headers.get(name) == second.headers.get(name) and ack.cseq.number == 2
        session.hangup(network.now)
        network.run(1)
        assert alice.messages("BYE")[0].cseq.number == 3 and "bye" in reasons(bob)
    else:
        assert [event.status for event in alice.of(Rejected)] == [407 if proxy else 401]
        assert alice.agent.session_count == 0


def test_without_credentials_a_challenge_is_a_refusal() -> None:
    network = Network()
    alice, bob = network.add("192.0.2.1"), network.add("192.0.2.2")
    guarded(bob, network)
    alice.call(bob)
    network.run(1)
    assert [event.status for event in alice.of(Rejected)] == [401]


def test_a_challenged_bye_is_sent_once_more_with_credentials() -> None:
    pair = Pair(credentials=Credentials("alice", "wonder")).answer()
    pair.calling.hangup(pair.now)
    [(data, flow)] = pair.alice.agent.to_send()
    bye = parse_message(data)
    assert isinstance(bye, Request)
    challenge = bye.response(401, to_tag="x")
    challenge.headers.add("WWW-Authenticate", 'Digest realm="r", nonce="n", algorithm=MD5')
    pair.alice.agent.receive(bytes(challenge), flow, pair.now)
    [(data, _)] = pair.alice.agent.to_send()
    again = parse_message(data)
    assert isinstance(again, Request) and again.headers.get("Authorization")
    assert again.cseq.number == bye.cseq.number + 1


def test_an_answer_that_is_no_sdp_counts_as_none() -> None:
    pair = Pair()
    pair.called.accept(b"", pair.now)
    pair.run(0.1)
    assert [event.body for event in pair.alice.of(Accepted)] == [b""]


def test_no_2xx_is_accepted_twice_however_often_it_comes() -> None:
    pair = Pair().answer()
    answer = bytes(pair.bob.messages("200")[0])
    for _ in range(3):
        pair.alice.agent.receive(answer, pair.alice.flow_to(pair.bob), pair.now)
    pair.network.drain()
    assert len(pair.alice.of(Accepted)) == 1 and len(pair.alice.messages("ACK")) == 4
    assert isinstance(parse_message(answer), Response)


def test_a_refused_datagram_flow_ends_what_waits_on_it_alone() -> None:
    network = Network()
    alice, bob, carol = network.add("192.0.2.1"), network.add("192.0.2.2"), network.add("192.0.2.3")
    network.drops = lambda message: True
    alice.call(bob)
    other = alice.call(carol)
    alice.agent.flow_refused(alice.flow_to(bob), network.now)
    network.drain()
    assert [event.status for event in alice.of(Rejected)] == [503]
    network.run(40)
    assert len(alice.sent_at("INVITE")) == 1 + 7, "the refused one is not repeated, the other is"
    assert alice.of(Rejected)[-1].session is other


@pytest.mark.parametrize("status", [180, 200])
def test_far_ends_without_number_do_not_fill_the_memory(status: int) -> None:
    probe = Probe()
    name = NameAddr("", Uri("sip", "node", host="example.com"))
    target = Uri("sip", "phone", host="198.51.100.7")
    session = probe.agent.invite(target, probe.flow, probe.now, from_=name, body=OFFER)
    [invite] = probe.drain()
    sent = []
    for number in range(1000):
        response = invite.response(status, to_tag=f"end-{number}")
        response.headers.add("Contact", f"<sip:{number}@198.51.100.7>")
        sent += probe.send(bytes(response))
    assert len(session._early) <= MOST_FORKS
    assert len([message for message in sent if message.method == "ACK"]) == (MOST_FORKS if status == 200 else 0)
    assert len(probe.agent.layer) <= MOST_FORKS + 1
    session.hangup(probe.now)
    probe.drain()
    probe.wait(200)
    assert len(probe.agent.layer) == probe.agent.session_count == 0
