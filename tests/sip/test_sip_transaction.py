"""The four machines: their tables, their timers, and how messages find them (RFC 3261 s17, RFC 6026)."""

from __future__ import annotations

from itertools import pairwise

import pytest
from sip_network import ANSWER, OFFER, Network, Probe, statuses, text

from ivrnode.sip import transaction as machines
from ivrnode.sip.events import Accepted, Asked, Confirmed, Ended, Invited, Rejected, Responded
from ivrnode.sip.flow import Flow
from ivrnode.sip.transaction import CLIENT, INVITE_CLIENT, INVITE_SERVER, SERVER, State
from ivrnode.sip.uri import Uri

TABLES = {"INVITE_CLIENT": INVITE_CLIENT, "CLIENT": CLIENT, "INVITE_SERVER": INVITE_SERVER, "SERVER": SERVER}


@pytest.mark.parametrize("name", TABLES)
def test_every_state_of_a_table_leads_to_the_end(name: str) -> None:
    table = TABLES[name]
    states = {state for state, _ in table}
    for state in states:
        seen, edge = {state}, {state}
        while edge:
            edge = {row.state for (before, _), row in table.items() if before in edge} - seen
            seen |= edge
        assert State.TERMINATED in seen
        assert (state, "flow_closed") in table
    assert not any(state is State.TERMINATED for state, _ in table)


@pytest.mark.parametrize("name", TABLES)
def test_every_timer_started_is_heard_in_the_state_it_starts(name: str) -> None:
    table = TABLES[name]
    for row in table.values():
        for timer in row.timers:
            assert (row.state, timer) in table


@pytest.mark.parametrize("name", TABLES)
def test_every_action_exists(name: str) -> None:
    kind = machines.ClientTransaction if "CLIENT" in name else machines.ServerTransaction
    for row in TABLES[name].values():
        assert all(hasattr(kind, "_" + action) for action in row.actions)


def gaps(moments: list[float]) -> list[float]:
    return [round(later - sooner, 3) for sooner, later in pairwise(moments)]


def test_unanswered_invite_is_repeated_doubling_and_gives_up_with_408() -> None:
    network = Network()
    alice, nobody = network.add("192.0.2.1"), network.add("192.0.2.2")
    network.drops = lambda message: True
    session = alice.call(nobody)
    network.run(31.9)
    assert gaps(alice.sent_at("INVITE")) == [0.5, 1.0, 2.0, 4.0, 8.0, 16.0]
    assert not alice.of(Rejected)
    network.run(0.2)
    assert [(event.session, event.status) for event in alice.of(Rejected)] == [(session, 408)]
    assert not alice.of(Ended)
    assert alice.agent.session_count == 0
    assert len(alice.agent.layer) == 0


def test_ringing_stops_the_repeats_and_does_not_end_by_itself() -> None:
    network = Network()
    alice, bob = network.add("192.0.2.1"), network.add("192.0.2.2")
    alice.call(bob)
    network.run(0.1)
    bob.of(Invited)[0].session.ring(network.now)
    network.run(600)
    assert len(alice.sent_at("INVITE")) == 1
    assert not alice.of(Rejected) and not alice.of(Ended) and not bob.of(Ended)
    assert gaps(bob.sent_at("180")) == [60.0] * 9 + [60.0]


def test_other_requests_are_repeated_up_to_t2_and_give_up_with_408() -> None:
    network = Network()
    alice = network.add("192.0.2.1")
    network.drops = lambda message: True
    flow = Flow("udp", alice.address, ("192.0.2.2", 5060), 1)
    number = alice.agent.request("OPTIONS", Uri("sip", host="192.0.2.2"), flow, network.now, from_=alice.name)
    network.run(40)
    assert gaps(alice.sent_at("OPTIONS")) == [0.5, 1.0, 2.0, 4.0, 4.0, 4.0, 4.0, 4.0, 4.0, 4.0]
    assert [(event.request_id, event.response.status) for event in alice.of(Responded)] == [(number, 408)]


def test_a_provisional_slows_the_repeats_of_other_requests_to_t2() -> None:
    network = Network()
    alice, bob = network.add("192.0.2.1"), network.add("192.0.2.2")
    bob.on_event = lambda peer, event: peer.agent.respond(event, 100, network.now) if isinstance(event, Asked) else None
    alice.agent.request("OPTIONS", Uri("sip", host="192.0.2.2"), alice.flow_to(bob), network.now, from_=alice.name)
    network.run(20)
    assert gaps(alice.sent_at("OPTIONS")) == [0.5, 4.0, 4.0, 4.0, 4.0]


def test_nothing_is_repeated_on_a_stream() -> None:
    network = Network()
    alice, nobody = network.add("192.0.2.1", transport="tcp"), network.add("192.0.2.2", transport="tcp")
    network.drops = lambda message: True
    alice.call(nobody)
    alice.agent.request("OPTIONS", Uri("sip", host="x"), alice.flow_to(nobody), network.now, from_=alice.name)
    network.run(40)
    assert len(alice.sent_at("INVITE")) == len(alice.sent_at("OPTIONS")) == 1
    assert [event.status for event in alice.of(Rejected)] == [408]


def test_a_dead_stream_gives_503_at_once_to_all_who_wait() -> None:
    network = Network()
    alice, nobody = network.add("192.0.2.1", transport="tcp"), network.add("192.0.2.2", transport="tcp")
    network.drops = lambda message: True
    alice.call(nobody)
    alice.agent.request("OPTIONS", Uri("sip", host="x"), alice.flow_to(nobody), network.now, from_=alice.name)
    alice.agent.flow_closed(alice.flow_to(nobody), network.now)
    network.drain()
    assert [event.status for event in alice.of(Rejected)] == [503]
    assert [event.response.status for event in alice.of(Responded)] == [503]
    assert len(alice.agent.layer) == 0 and alice.agent.session_count == 0


def test_silence_from_above_gives_100_after_200_ms_and_only_then() -> None:
    probe = Probe()
    assert probe.send(text("INVITE", body=OFFER)) == []
    [(when, trying)] = probe.wait(5)
    assert (round(when, 3), trying.status, trying.to.tag) == (0.2, 100, None)
    assert [message.status for message in probe.send(text("INVITE", body=OFFER))] == [100]

    quick = Probe()
    quick.send(text("INVITE", body=OFFER))
    quick.last(Invited).session.ring(quick.now)
    assert list(statuses(quick.drain())) == [180]
    assert quick.wait(5) == []


def test_a_repeated_invite_while_ringing_repeats_the_180_and_its_tag() -> None:
    probe = Probe()
    probe.send(text("INVITE", body=OFFER))
    probe.last(Invited).session.ring(probe.now)
    [first] = probe.drain()
    [again] = probe.send(text("INVITE", body=OFFER))
    assert bytes(first) == bytes(again)
    assert probe.count(Invited) == 1


def test_a_2xx_is_repeated_until_ack_and_a_repeated_invite_then_changes_nothing() -> None:
    probe = Probe()
    probe.send(text("INVITE", body=OFFER))
    session = probe.last(Invited).session
    session.accept(ANSWER, probe.now)
    [answer] = probe.drain()
    repeats = probe.wait(3.6)
    assert [round(when, 3) for when, _ in repeats] == [0.5, 1.5, 3.5]
    assert {bytes(message) for _, message in repeats} == {bytes(answer)}
    assert probe.send(text("INVITE", body=OFFER)) == []
    probe.send(text("ACK", branch="z9hG4bK2", to_tag=session.local_tag))
    assert probe.wait(40) == []
    assert probe.count(Invited) == probe.count(Confirmed) == 1


def test_a_2xx_is_repeated_on_streams_too_at_most_every_4_s() -> None:
    probe = Probe("tcp")
    probe.send(text("INVITE", body=OFFER, via="SIP/2.0/TCP 198.51.100.7:40000;branch=z9hG4bK1"))
    probe.last(Invited).session.accept(ANSWER, probe.now)
    probe.drain()
    moments = [when for when, message in probe.wait(20) if getattr(message, "status", 0) == 200]
    assert gaps([0.0, *moments]) == [0.5, 1.0, 2.0, 4.0, 4.0, 4.0, 4.0]


def test_a_486_is_repeated_until_its_ack_and_not_after() -> None:
    probe = Probe()
    probe.send(text("INVITE", body=OFFER))
    session = probe.last(Invited).session
    session.reject(486, probe.now)
    [busy] = probe.drain()
    assert [round(when, 3) for when, _ in probe.wait(3.6)] == [0.5, 1.5, 3.5]
    assert probe.send(text("ACK", to_tag=busy.to.tag)) == []
    assert probe.wait(40) == []
    assert len(probe.agent.layer) == 0


def test_an_unacknowledged_486_gives_up_after_32_s() -> None:
    probe = Probe()
    probe.send(text("INVITE", body=OFFER))
    probe.last(Invited).session.reject(486, probe.now)
    probe.drain()
    moments = [when for when, _ in probe.wait(100)]
    assert gaps(moments) == [1.0, 2.0, 4.0, 4.0, 4.0, 4.0, 4.0, 4.0, 4.0]
    assert len(probe.agent.layer) == 0


def test_a_486_is_sent_once_on_a_stream_and_its_transaction_ends_with_the_ack() -> None:
    probe = Probe("tcp")
    probe.send(text("INVITE", body=OFFER, via="SIP/2.0/TCP 198.51.100.7:40000;branch=z9hG4bK1"))
    probe.last(Invited).session.reject(486, probe.now)
    [busy] = probe.drain()
    assert probe.wait(5) == []
    probe.send(text("ACK", to_tag=busy.to.tag, via="SIP/2.0/TCP 198.51.100.7:40000;branch=z9hG4bK1"))
    assert len(probe.agent.layer) == 0


def test_a_repeated_request_gets_its_answer_again_for_32_s() -> None:
    probe = Probe()
    probe.send(text("OPTIONS"))
    probe.agent.respond(probe.last(Asked), 200, probe.now)
    [first] = probe.drain()
    probe.wait(31)
    [again] = probe.send(text("OPTIONS"))
    assert bytes(first) == bytes(again)
    assert probe.count(Asked) == 1
    probe.wait(2)
    assert len(probe.agent.layer) == 0


def test_the_same_branch_from_another_host_is_another_transaction() -> None:
    probe = Probe()
    probe.send(text("OPTIONS", call_id="a"))
    probe.send(text("OPTIONS", call_id="b", via="SIP/2.0/UDP 198.51.100.8:40000;branch=z9hG4bK1"))
    probe.send(text("MESSAGE", call_id="c", contact=""))
    assert probe.count(Asked) == 3


def test_rfc_2543_peers_without_the_magic_cookie_are_told_apart_by_cseq() -> None:
    probe = Probe()
    via = "SIP/2.0/UDP 198.51.100.7:40000"
    probe.send(text("INVITE", via=via, body=OFFER))
    assert probe.send(text("INVITE", via=via, body=OFFER))[0].status == 100
    assert probe.count(Invited) == 1
    probe.last(Invited).session.reject(486, probe.now)
    [busy] = probe.drain()
    assert probe.send(text("ACK", via=via, to_tag=busy.to.tag)) == []
    assert probe.wait(3) == []
    probe.send(text("INVITE", via=via, cseq=2, body=OFFER))
    assert probe.count(Invited) == 2


def test_responses_that_nobody_waits_for_are_counted_and_dropped() -> None:
    network = Network()
    alice, bob = network.add("192.0.2.1"), network.add("192.0.2.2")
    alice.call(bob)
    network.run(0.1)
    bob.of(Invited)[0].session.accept(ANSWER, network.now)
    network.run(0.1)
    answer = bytes(bob.messages("200")[0])
    events = len(alice.events)
    other_branch = answer.replace(b"branch=z9hG4bK", b"branch=z9hG4bKx")
    two_vias = answer.replace(b"Via: ", b"Via: SIP/2.0/UDP 192.0.2.3;branch=z9hG4bKy\r\nVia: ", 1)
    for data in (other_branch, two_vias):
        alice.agent.receive(data, alice.flow_to(bob), network.now)
        network.drain()
    assert alice.agent.faults == {"response without request": 1, "response for another": 1}
    assert len(alice.events) == events and len(alice.of(Accepted)) == 1


def test_a_late_tick_fires_each_timer_once() -> None:
    """A process that stood still for seconds does not make up for the repeats it missed."""
    probe = Probe()
    probe.send(text("INVITE", body=OFFER))
    probe.last(Invited).session.accept(ANSWER, probe.now)
    probe.drain()
    probe.agent.tick(probe.now + 20)
    assert len(probe.drain()) == 1
