"""INVITE sessions while they last: offers that come late, re-INVITE, UPDATE, INFO, glare."""

from __future__ import annotations

from pair import Pair, reasons
from sip_network import ANSWER, OFFER, Probe, statuses, text
from test_sip_dialog import in_call

from ivrnode.sip.events import (
    Accepted,
    Confirmed,
    Ended,
    InfoReceived,
    Invited,
    Offered,
    ReinviteRefused,
)


def test_a_late_offer_is_answered_in_the_ack() -> None:
    probe = Probe()
    probe.send(text("INVITE"))
    event = probe.last(Invited)
    assert event.offer is None
    event.session.accept(OFFER, probe.now)
    [answer] = probe.drain()
    assert answer.body == OFFER
    assert probe.send(text("ACK", branch="z9hG4bKa", to_tag=answer.to.tag, body=ANSWER)) == []
    assert probe.last(Confirmed).body == ANSWER


def test_a_late_offer_without_an_answer_ends_in_bye() -> None:
    probe = Probe()
    probe.send(text("INVITE"))
    probe.last(Invited).session.accept(OFFER, probe.now)
    [answer] = probe.drain()
    [bye] = probe.send(text("ACK", branch="z9hG4bKa", to_tag=answer.to.tag))
    assert bye.method == "BYE"
    assert probe.last(Ended).reason == "no_ack" and probe.count(Confirmed) == 0


def test_our_invite_without_offer_answers_theirs_in_the_ack() -> None:
    pair = Pair(body=b"")
    assert pair.bob.of(Invited)[0].offer is None
    pair.called.accept(OFFER, pair.now)
    pair.run(0.7)
    [event] = pair.alice.of(Accepted)
    assert event.is_offer and event.body == OFFER and pair.alice.messages("ACK") == []
    pair.calling.accept(ANSWER, pair.now)
    pair.run(5)
    assert [event.body for event in pair.bob.of(Confirmed)] == [ANSWER]
    assert len(pair.bob.messages("200")) == 2
    pair.calling.hangup(pair.now)
    pair.assert_quiet()


def test_hold_and_resume_by_reinvite_both_ways_keeps_one_dialog() -> None:
    pair = Pair().answer()
    held = OFFER + b"a=sendonly\r\n"
    pair.calling.reinvite(held, pair.now)
    pair.run(0.1)
    assert [event.offer for event in pair.bob.of(Offered)] == [held]
    pair.called.accept(ANSWER + b"a=recvonly\r\n", pair.now)
    pair.run(0.1)
    assert pair.alice.of(Accepted)[1].body == ANSWER + b"a=recvonly\r\n"
    assert len(pair.bob.of(Confirmed)) == 1
    pair.called.reinvite(OFFER, pair.now)
    pair.run(0.1)
    pair.calling.accept(ANSWER, pair.now)
    pair.run(0.1)
    assert [event.body for event in pair.bob.of(Accepted)] == [ANSWER]
    tags = {message.to.tag for message in pair.bob.messages("200")}
    assert tags == {pair.called.local_tag}
    assert [request.cseq.number for request in pair.alice.messages("INVITE")] == [1, 2]
    pair.calling.hangup(pair.now)
    pair.run(1)
    pair.assert_quiet()


def test_a_reinvite_without_offer_gets_ours_and_its_ack_the_answer() -> None:
    pair = Pair().answer()
    pair.calling.reinvite(b"", pair.now)
    pair.run(0.1)
    assert [event.offer for event in pair.bob.of(Offered)] == [None]
    pair.called.accept(OFFER, pair.now)
    pair.run(0.1)
    assert pair.alice.of(Accepted)[1].is_offer
    pair.calling.accept(ANSWER, pair.now)
    pair.run(0.1)
    assert [event.body for event in pair.bob.of(Confirmed)] == [None, ANSWER]


def test_a_refused_reinvite_leaves_the_call_as_it_was() -> None:
    pair = Pair().answer()
    pair.calling.reinvite(OFFER, pair.now)
    pair.run(0.1)
    pair.called.reject(488, pair.now, "No")
    pair.run(0.1)
    assert [(event.status, event.reason) for event in pair.alice.of(ReinviteRefused)] == [(488, "No")]
    assert reasons(pair.alice) == reasons(pair.bob) == []
    assert len(pair.alice.of(Accepted)) == 1
    pair.called.hangup(pair.now)
    pair.run(1)
    assert reasons(pair.alice) == ["bye"]
    pair.assert_quiet()


def test_glare_gives_491_both_ways_and_both_offers_come_through_in_the_end() -> None:
    pair = Pair().answer()
    for peer in (pair.alice, pair.bob):
        peer.on_event = lambda peer, event: (
            event.session.accept(ANSWER, pair.now) if isinstance(event, Offered) else None
        )
    start = pair.now
    pair.calling.reinvite(OFFER + b"a=x:alice\r\n", pair.now)
    pair.called.reinvite(OFFER + b"a=x:bob\r\n", pair.now)
    pair.run(10)
    assert len(pair.alice.messages("491")) == len(pair.bob.messages("491")) == 1
    assert [event.offer for event in pair.bob.of(Offered)] == [OFFER + b"a=x:alice\r\n"]
    assert [event.offer for event in pair.alice.of(Offered)] == [OFFER + b"a=x:bob\r\n"]
    assert 2.1 <= pair.alice.sent_at("INVITE")[-1] - start <= 4.2
    assert 0.0 <= pair.bob.sent_at("INVITE")[-1] - start <= 2.2
    assert reasons(pair.alice) == reasons(pair.bob) == []


def test_a_second_reinvite_before_the_first_is_answered_gets_500_with_retry_after() -> None:
    probe = Probe()
    session = in_call(probe)
    probe.send(text("INVITE", branch="z9hG4bKa", cseq=2, to_tag=session.local_tag, body=OFFER))
    [answer] = probe.send(text("INVITE", branch="z9hG4bKb", cseq=3, to_tag=session.local_tag, body=OFFER))
    assert answer.status == 500 and 0 <= int(answer.headers.get("Retry-After") or "99") <= 10
    assert probe.count(Offered) == 1


def test_a_reinvite_before_the_ack_to_our_200_gets_491() -> None:
    probe = Probe()
    probe.send(text("INVITE", body=OFFER))
    session = probe.last(Invited).session
    session.accept(ANSWER, probe.now)
    probe.drain()
    assert list(
        statuses(probe.send(text("INVITE", branch="z9hG4bKb", cseq=2, to_tag=session.local_tag, body=OFFER)))
    ) == [491]


def test_update_refreshes_the_target_or_makes_an_offer() -> None:
    probe = Probe()
    session = in_call(probe)
    tag = session.local_tag
    [answer] = probe.send(text("UPDATE", branch="z9hG4bKa", cseq=2, to_tag=tag, contact="<sip:moved@10.0.0.1>"))
    assert answer.status == 200 and answer.body == b"" and answer.contacts
    assert str(session.dialog.remote_target) == "sip:moved@10.0.0.1"
    assert probe.send(text("UPDATE", branch="z9hG4bKb", cseq=3, to_tag=tag, body=OFFER)) == []
    assert probe.last(Offered).offer == OFFER
    [crossing] = probe.send(text("UPDATE", branch="z9hG4bKc", cseq=4, to_tag=tag, body=OFFER))
    assert crossing.status == 500 and crossing.headers.get("Retry-After") is not None
    session.accept(ANSWER, probe.now)
    [answer] = probe.drain()
    assert (answer.status, answer.body, answer.cseq.method) == (200, ANSWER, "UPDATE")
    assert probe.wait(1) == []
    probe.send(text("UPDATE", branch="z9hG4bKd", cseq=5, to_tag=tag, body=OFFER))
    session.reject(488, probe.now)
    assert list(statuses(probe.drain())) == [488]


def test_update_against_our_open_reinvite_gets_491() -> None:
    probe = Probe()
    session = in_call(probe)
    session.reinvite(OFFER, probe.now)
    probe.drain()
    answer = probe.send(text("UPDATE", branch="z9hG4bKb", cseq=2, to_tag=session.local_tag, body=OFFER))
    assert list(statuses(answer)) == [491]


def test_info_is_answered_and_told() -> None:
    pair = Pair().answer()
    pair.calling.send_info("application/dtmf-relay", b"Signal=5\r\n", pair.now)
    pair.run(0.1)
    [event] = pair.bob.of(InfoReceived)
    assert (event.content_type, event.body) == ("application/dtmf-relay", b"Signal=5\r\n")
    assert reasons(pair.alice) == []


def test_an_info_that_the_far_end_no_longer_knows_ends_the_call() -> None:
    pair = Pair().answer()
    pair.bob.agent.forget_session(pair.called)
    pair.calling.send_info("text/plain", b"x", pair.now)
    pair.run(1)
    assert reasons(pair.alice) == ["timeout"]
    assert len(pair.alice.messages("BYE")) == 1


def test_a_reinvite_without_answer_ends_the_call() -> None:
    pair = Pair().answer()
    pair.network.drops = lambda message: True
    pair.calling.reinvite(OFFER, pair.now)
    pair.run(100)
    assert reasons(pair.alice) == ["timeout"]
    assert pair.alice.agent.session_count == 0


def test_bye_ends_an_open_reinvite_too() -> None:
    probe = Probe()
    session = in_call(probe)
    probe.send(text("INVITE", branch="z9hG4bKr", cseq=2, to_tag=session.local_tag, body=OFFER))
    session.hangup(probe.now)
    sent = probe.drain()
    assert list(statuses(sent)) == [487] and sent[1].method == "BYE"
    session.accept(ANSWER, probe.now)
    assert probe.drain() == []
