"""What the user agent answers by itself, and that no bytes upset it (RFC 3261 s8.2, s9, s11)."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sip_network import ANSWER, OFFER, Probe, statuses, text
from test_sip_dialog import in_call

from ivrnode.sip.events import Asked, Ended, Invited, Offered
from ivrnode.sip.flow import Flow


def test_a_basic_call_gets_200_with_a_tag_and_a_bye_without_contact_200() -> None:
    probe = Probe()
    probe.send(text("INVITE", body=OFFER))
    event = probe.last(Invited)
    assert event.offer == OFFER and event.request.method == "INVITE" and event.session.is_incoming
    event.session.accept(ANSWER, probe.now)
    [answer] = probe.drain()
    assert (answer.status, answer.body, answer.content_type) == (200, ANSWER, "application/sdp")
    assert answer.to.tag == event.session.local_tag
    probe.send(text("ACK", branch="z9hG4bK2", to_tag=answer.to.tag))
    [bye] = probe.send(text("BYE", branch="z9hG4bK3", cseq=2, to_tag=answer.to.tag, contact="", headers="Reason: x"))
    assert bye.status == 200
    assert probe.last(Ended).reason == "bye" and ("Reason", "x") in probe.last(Ended).headers
    [again] = probe.send(text("BYE", branch="z9hG4bK3", cseq=2, to_tag=answer.to.tag, contact="", headers="Reason: x"))
    assert bytes(again) == bytes(bye)
    assert probe.count(Ended) == 1
    assert probe.agent.session_count == 0


@pytest.mark.parametrize(("method", "status"), [("FROBNICATE", 501), ("SUBSCRIBE", 405)])
def test_unknown_and_unwanted_methods_get_allow(method: str, status: int) -> None:
    [answer] = Probe().send(text(method))
    assert answer.status == status and answer.to.tag
    assert "INVITE" in answer.headers.get_all("Allow")


def test_unknown_requirements_get_420() -> None:
    probe = Probe()
    [answer] = probe.send(text("INVITE", body=OFFER, headers="Require: path, foo\nRequire: 100rel"))
    assert answer.status == 420
    assert answer.headers.get_all("Unsupported") == ["foo", "100rel"]
    assert probe.count(Invited) == 0


def test_requirements_are_never_asked_of_cancel_and_ack() -> None:
    probe = Probe()
    probe.send(text("INVITE", body=OFFER))
    assert list(statuses(probe.send(text("CANCEL", headers="Require: foo")))) == [200, 487]
    session = in_call(Probe())
    assert session.dialog is not None


def test_max_forwards_0_gives_483_outside_a_dialog_only() -> None:
    probe = Probe()
    session = in_call(probe)
    outside = text("OPTIONS", branch="z9hG4bKa", call_id="other").replace(b"Max-Forwards: 70", b"Max-Forwards: 0")
    inside = text("OPTIONS", branch="z9hG4bKb", to_tag=session.local_tag, cseq=2)
    assert list(statuses(probe.send(outside))) == [483]
    assert list(statuses(probe.send(inside.replace(b"Max-Forwards: 70", b"Max-Forwards: 0")))) == [200]


def test_a_merged_request_gives_482_and_one_call() -> None:
    probe = Probe()
    probe.send(text("INVITE", body=OFFER, branch="z9hG4bKone"))
    assert list(statuses(probe.send(text("INVITE", body=OFFER, branch="z9hG4bKtwo")))) == [482]
    assert probe.count(Invited) == 1


def test_a_wrong_body_type_gives_415_with_accept() -> None:
    probe = Probe()
    data = text("INVITE", body=b"<xml/>").replace(b"application/sdp", b"application/xml")
    [answer] = probe.send(data)
    assert answer.status == 415 and answer.headers.get("Accept") == "application/sdp"
    assert probe.count(Invited) == 0 and probe.agent.session_count == 0


def test_an_encoded_body_gives_415_and_an_optional_one_is_passed_over() -> None:
    probe = Probe()
    [answer] = probe.send(text("INVITE", body=OFFER, headers="Content-Encoding: gzip"))
    assert answer.status == 415 and answer.headers.get("Accept-Encoding") == "identity"
    data = text(
        "INVITE", branch="z9hG4bK2", call_id="2", body=b"<xml/>", headers="Content-Disposition: x; handling=optional"
    )
    assert probe.send(data.replace(b"application/sdp", b"application/xml")) == []
    assert probe.last(Invited).offer is None


def test_the_sdp_is_found_in_a_multipart_body() -> None:
    probe = Probe()
    body = (
        b"--b\r\nContent-Type: application/isup\r\n\r\n\x01\x02\r\n--b\r\nContent-Type: application/sdp\r\n\r\n"
        + OFFER
        + b"\r\n--b--\r\n"
    )
    probe.send(
        text("INVITE", body=body).replace(
            b"application/sdp\r\nContent-Length", b'multipart/mixed;boundary="b"\r\nContent-Length'
        )
    )
    assert probe.last(Invited).offer == OFFER


def test_cancel_gives_200_and_487_with_one_tag() -> None:
    probe = Probe()
    probe.send(text("INVITE", body=OFFER))
    session = probe.last(Invited).session
    session.ring(probe.now)
    [ringing] = probe.drain()
    [cancelled, ended] = probe.send(text("CANCEL", headers="Reason: SIP;cause=200"))
    assert (cancelled.status, cancelled.cseq.method) == (200, "CANCEL")
    assert (ended.status, ended.cseq.method) == (487, "INVITE")
    assert ringing.to.tag == cancelled.to.tag == ended.to.tag == session.local_tag
    assert probe.last(Ended).reason == "cancel" and ("Reason", "SIP;cause=200") in probe.last(Ended).headers
    session.accept(ANSWER, probe.now)
    session.ring(probe.now)
    session.reject(486, probe.now)
    session.hangup(probe.now)
    assert probe.drain() == [] and probe.count(Ended) == 1


def test_cancel_of_an_unknown_invite_gives_481() -> None:
    [answer] = Probe().send(text("CANCEL"))
    assert answer.status == 481


def test_cancel_after_the_answer_changes_nothing() -> None:
    probe = Probe()
    probe.send(text("INVITE", body=OFFER))
    session = probe.last(Invited).session
    session.accept(ANSWER, probe.now)
    probe.drain()
    assert list(statuses(probe.send(text("CANCEL")))) == [200]
    assert probe.count(Ended) == 0


def test_cancel_of_a_reinvite_ends_only_that() -> None:
    probe = Probe()
    session = in_call(probe)
    probe.send(text("INVITE", branch="z9hG4bKre", cseq=2, to_tag=session.local_tag, body=OFFER))
    cancel = text("CANCEL", branch="z9hG4bKre", cseq=2, to_tag=session.local_tag)
    assert list(statuses(probe.send(cancel))) == [200, 487]
    session.accept(ANSWER, probe.now)
    assert probe.drain() == []
    assert probe.count(Offered) == 1 and probe.count(Ended) == 0


def test_options_outside_a_dialog_is_asked_and_inside_answered() -> None:
    probe = Probe()
    probe.send(text("OPTIONS", branch="z9hG4bKo", call_id="o"))
    probe.agent.respond(probe.last(Asked), 200, probe.now, headers=[("Accept", "application/sdp")])
    [answer] = probe.drain()
    assert answer.status == 200 and answer.to.tag
    session = in_call(probe)
    [answer] = probe.send(text("OPTIONS", branch="z9hG4bKp", cseq=2, to_tag=session.local_tag))
    assert answer.status == 200 and "BYE" in answer.headers.get_all("Allow")
    assert probe.count(Asked) == 1


def test_a_request_that_can_be_addressed_but_not_read_gets_its_status() -> None:
    probe = Probe()
    bad = text("INVITE", body=OFFER).replace(b"CSeq: 1 INVITE", b"CSeq: one INVITE")
    probe.agent.receive(bad, probe.flow, probe.now)
    [(answer, flow)] = probe.agent.to_send()
    assert answer.startswith(b"SIP/2.0 400 Bad CSeq\r\n") and b"rport=40000" in answer and flow == probe.flow
    old = text("OPTIONS").replace(b"SIP/2.0\r\nVia", b"SIP/7.0\r\nVia")
    assert list(statuses(probe.send(old))) == [505]
    assert probe.send(text("ACK").replace(b"CSeq: 1 ACK", b"CSeq: one ACK")) == []
    assert probe.agent.faults["unreadable 400"] == 2 and probe.agent.faults["unreadable 505"] == 1
    assert probe.count(Invited) == 0


def test_a_script_cannot_put_a_line_end_into_a_header() -> None:
    probe = Probe()
    session = in_call(probe)
    with pytest.raises(ValueError, match="CR, LF"):
        session.hangup(probe.now, [("X-Name", "a\r\nContact: <sip:evil@example.com>")])
    assert probe.drain() == [] and probe.count(Ended) == 0
    session.hangup(probe.now)
    assert [message.method for message in probe.drain()] == ["BYE"]

    probe.send(text("INVITE", branch="z9hG4bKz", call_id="z", body=OFFER))
    other = probe.last(Invited).session
    with pytest.raises(ValueError, match="CR, LF"):
        other.reject(486, probe.now, "Busy\r\nX: y")
    assert probe.drain() == []
    other.reject(486, probe.now)
    assert list(statuses(probe.drain())) == [486]


def test_contact_and_via_name_the_transport() -> None:
    for transport, via, contact in (("tcp", "TCP", "tcp"), ("tls", "TLS", "tls"), ("wss", "WSS", "ws")):
        probe = Probe(transport)  # type: ignore[arg-type]
        session = in_call(probe)
        assert probe.agent.contact(probe.flow) == f"<sip:ivrnode@192.0.2.9:5060;transport={contact}>"
        session.hangup(probe.now)
        assert probe.drain()[0].top_via.transport == via


def test_an_ipv6_address_stands_in_brackets() -> None:
    probe = Probe()
    probe.agent.layer._sent_by = lambda flow: ("2001:db8::1", 5060)
    session = in_call(probe)
    session.hangup(probe.now)
    [bye] = probe.drain()
    assert bye.top_via.host == "2001:db8::1"
    assert probe.agent.contact(probe.flow) == "<sip:ivrnode@[2001:db8::1]:5060>"


@settings(max_examples=300, deadline=None)
@given(
    st.one_of(
        st.binary(max_size=200),
        st.tuples(
            st.sampled_from(
                ["INVITE", "ACK", "BYE", "CANCEL", "OPTIONS", "REGISTER", "UPDATE", "INFO", "SIP/2.0 200 OK"]
            ),
            st.integers(0, 600),
            st.binary(min_size=1, max_size=12),
        ),
    )
)
def test_no_bytes_upset_the_next_call(noise: bytes | tuple[str, int, bytes]) -> None:
    probe = Probe()
    session = in_call(probe)
    if not isinstance(noise, bytes):
        method, place, patch = noise
        data = bytearray(text(method, branch="z9hG4bKn", cseq=2, to_tag=session.local_tag, body=OFFER))
        data[place : place + len(patch)] = patch
        noise = bytes(data)
    probe.agent.receive(noise, probe.flow, probe.now)
    probe.agent.to_send()
    probe.send(text("INVITE", branch="z9hG4bKnext", call_id="next", body=OFFER))
    assert probe.last(Invited).session.call_id == "next"


def test_a_flow_that_dies_leaves_nothing_behind() -> None:
    probe = Probe("tcp")
    session = in_call(probe)
    probe.send(text("INVITE", branch="z9hG4bKr", cseq=2, to_tag=session.local_tag, body=OFFER))
    probe.send(text("INVITE", branch="z9hG4bKs", call_id="s", body=OFFER))
    probe.agent.flow_closed(probe.flow, probe.now)
    assert [event.reason for event in (probe.drain(), probe.events)[1] if isinstance(event, Ended)] == ["transport"] * 2
    assert len(probe.agent.layer) == 0 and probe.agent.session_count == 0
    assert probe.wait(100) == []
    probe.agent.flow_closed(Flow("tcp", ("192.0.2.9", 5060), ("198.51.100.7", 1), 99), probe.now)
