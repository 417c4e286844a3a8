"""REFER of ours and the NOTIFYs that it brings; REFERs of theirs (RFC 3515, RFC 4488)."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sip_network import ANSWER, Network, Peer, Probe, text
from test_sip_dialog import in_call

from ivrnode.sip.events import Asked, Ended, Invited, Notified, Referred
from ivrnode.sip.invite import InviteSession, SessionState
from ivrnode.sip.message import Request
from ivrnode.sip.outgoing_request import OutgoingRequest
from ivrnode.sip.uri import Uri
from ivrnode.sip.user_agent import ALLOW, UserAgent

TARGET = Uri.parse("sip:120@pbx.example")


class Transferee:
    """A far end that takes REFER with `answer` and tells `story` of the call it makes."""

    def __init__(self, peer: Peer, answer: int = 202, story: tuple[str, ...] = ("100 Trying", "200 OK")) -> None:
        self.peer, self.answer, self.story = peer, answer, story
        self.headers: tuple[tuple[str, str], ...] = ()
        self.asked: list[Request] = []
        self.replies: list[int] = []
        peer.agent = UserAgent(Random(9), lambda flow: peer.address, allow=(*ALLOW, "REFER"))
        peer.on_event = self.hear

    def hear(self, peer: Peer, event: object) -> None:
        now = peer.network.now
        if isinstance(event, Invited):
            event.session.accept(ANSWER, now)
        elif isinstance(event, Asked) and event.request.method == "REFER":
            self.asked.append(event.request)
            peer.agent.respond(event, self.answer, now, None, self.headers)
            for line in self.story if self.answer < 300 else ():
                self.notify(peer.of(Invited)[-1].session, line)

    def notify(self, session: InviteSession, line: str, state: str = "", event: str = "refer") -> None:
        assert session.dialog is not None
        notify = session.dialog.request("NOTIFY")
        notify.headers.add("Event", event)
        is_final = line[:1] in "23456" and line
        notify.headers.add("Subscription-State", state or ("terminated;reason=noresource" if is_final else "active"))
        if line:
            notify.headers.add("Content-Type", "message/sipfrag;version=2.0")
            notify.body = f"SIP/2.0 {line}\r\n".encode()
        agent = self.peer.agent
        OutgoingRequest(
            agent.layer, notify, session.flow, None, session.dialog.next_sequence,
            lambda response, _: self.replies.append(response.status),
        ).send(self.peer.network.now)  # fmt: skip


class Scene:
    """We (`ours`) have called the transferee."""

    def __init__(self, network: Network | None = None, **how: object) -> None:
        self.network = network or Network()
        self.ours, self.theirs = self.network.add("192.0.2.1"), self.network.add("192.0.2.2")
        self.far = Transferee(self.theirs, **how)  # type: ignore[arg-type]
        self.session = self.ours.call(self.theirs)
        self.network.run(1)

    @property
    def story(self) -> list[object]:
        return [
            (event.status, event.is_followed)
            if isinstance(event, Referred)
            else (event.status, "final" * event.is_final)
            for event in self.ours.events
            if isinstance(event, Referred | Notified)
        ]

    def refer(self, seconds: float = 1) -> None:
        self.session.refer(TARGET, self.network.now, "sip:700@pbx.example")
        self.network.run(seconds)


def test_a_refer_is_answered_and_its_call_told_of() -> None:
    scene = Scene(story=("100 Trying", "180 Ringing", "200 OK"))
    scene.refer()
    assert scene.story == [(202, True), (100, ""), (180, ""), (200, "final")]
    [asked] = scene.far.asked
    assert asked.headers.get("Refer-To") == "<sip:120@pbx.example>"
    assert asked.headers.get("Referred-By") == "<sip:700@pbx.example>"
    assert scene.far.replies == [200, 200, 200]
    assert scene.session.state is SessionState.CONFIRMED


@pytest.mark.parametrize("status", [405, 420, 603])
def test_a_refused_refer_leaves_the_call_as_it_was(status: int) -> None:
    scene = Scene(answer=status)
    scene.refer()
    assert scene.story == [(status, False)]
    assert scene.session.state is SessionState.CONFIRMED


def test_a_call_that_fails_is_told_with_its_status() -> None:
    scene = Scene(story=("100 Trying", "486 Busy Here"))
    scene.refer()
    assert scene.story == [(202, True), (100, ""), (486, "final")]


def test_who_stops_to_look_ends_the_story() -> None:
    scene = Scene(story=("180 Ringing",))
    scene.refer()
    scene.far.notify(scene.theirs.of(Invited)[-1].session, "", state="terminated;reason=timeout")
    scene.network.run(1)
    assert scene.story == [(202, True), (180, ""), (180, "final")]


def test_a_far_end_may_say_that_it_will_tell_nothing() -> None:
    scene = Scene(story=())
    scene.far.headers = (("Refer-Sub", "false"),)
    scene.refer()
    assert scene.story == [(202, False)]


def test_no_answer_is_408_and_the_dialog_is_gone() -> None:
    scene = Scene()
    scene.network.drops = lambda message: isinstance(message, Request) and message.method == "REFER"
    scene.refer(33)
    assert scene.story == [(408, False)]
    assert [event.reason for event in scene.ours.of(Ended)] == ["timeout"]


def test_news_after_the_end_and_of_earlier_referrals_are_answered_and_not_told() -> None:
    scene = Scene()
    scene.refer()
    session = scene.theirs.of(Invited)[-1].session
    scene.far.notify(session, "200 OK")
    scene.network.run(1)
    scene.far.story = ("180 Ringing",)
    scene.refer()
    first = scene.far.asked[0].cseq.number
    scene.far.notify(session, "486 Busy Here", event=f"refer;id={first}")
    scene.network.run(1)
    scene.far.notify(session, "200 OK", event=f"refer;id={scene.far.asked[1].cseq.number}")
    scene.network.run(1)
    assert scene.story == [(202, True), (100, ""), (200, "final"), (202, True), (180, ""), (200, "final")]
    assert set(scene.far.replies) == {200}


def test_repeats_and_losses_change_nothing() -> None:
    told = []
    for seed in range(20):
        network = Network(seed)
        network.loss, network.doubling, network.delays = 0.2, 0.2, (0.005, 0.05)
        scene = Scene(network, story=("180 Ringing", "200 OK"))
        network.run(30)
        scene.refer(30)
        told.append(sorted(scene.story, key=str))
        assert len(scene.far.asked) == 1
    # A NOTIFY that is overtaken by the next one has a lower CSeq and is refused (RFC 3261 s12.2.2): the end is told.
    assert all((200, "final") in story and (202, True) in story and len(story) <= 3 for story in told)


def test_whether_the_far_end_takes_refer_is_in_its_allow() -> None:
    scene = Scene()
    assert scene.session.dialog.allows("REFER")
    theirs = scene.theirs.of(Invited)[-1].session
    assert theirs.dialog is not None and not theirs.dialog.allows("REFER") and theirs.dialog.allows("NOTIFY")


# What comes from the far end.


def notify(headers: str, body: bytes = b"", cseq: int = 2, tag: str | None = None) -> bytes:
    head = text("NOTIFY", branch=f"z9hG4bKn{cseq}", cseq=cseq, to_tag=tag or "", headers=headers)
    return head.replace(b"Content-Length: 0", b"Content-Length: %d" % len(body)) + body


@pytest.mark.parametrize(
    ("headers", "body", "status"),
    [
        ("Event: refer", b"", 200),
        ("Event: presence", b"", 489),
        ("Subscription-State: active", b"", 489),
        ("Event: refer\nContent-Type: text/plain", b"hello", 415),
        ("Event: refer\nContent-Type: message/sipfrag", b"hello", 400),
        ("Event: refer\nContent-Type: message/sipfrag", b"SIP/2.0 999 What", 400),
        ("Event: refer;id=x", b"", 400),
        ("Event: refer;id=" + "9" * 5000, b"", 400),
    ],
)
def test_a_notify_that_is_wrong_gets_the_status_that_says_why(headers: str, body: bytes, status: int) -> None:
    probe = Probe()
    session = in_call(probe)
    session.refer(TARGET, probe.now)
    probe.drain()
    [answer] = probe.send(notify(headers, body, tag=session.local_tag))
    assert answer.status == status


def test_a_notify_that_nobody_asked_for_is_481() -> None:
    probe = Probe()
    session = in_call(probe)
    assert [answer.status for answer in probe.send(notify("Event: refer", tag=session.local_tag))] == [481]
    assert [answer.status for answer in probe.send(notify("Event: refer", cseq=3))] == [481]


def test_a_refer_of_theirs_is_declined() -> None:
    probe = Probe()
    session = in_call(probe)
    for tag in (session.local_tag, ""):
        [answer] = probe.send(
            text("REFER", branch=f"z9hG4bKr{tag}", cseq=2, to_tag=tag, headers="Refer-To: <sip:1@example.com>")
        )
        assert answer.status == 603
    assert not probe.count(Asked) and session.state is SessionState.CONFIRMED


@given(st.binary(max_size=60), st.text(max_size=30))
@settings(max_examples=60, deadline=None)
def test_no_notify_upsets_us(body: bytes, value: str) -> None:
    probe = Probe()
    session = in_call(probe)
    session.refer(TARGET, probe.now)
    probe.drain()
    value = value.replace("\r", "").replace("\n", "")
    headers = f"Event: refer;{value}\nSubscription-State: {value}\nContent-Type: message/sipfrag"
    answers = probe.send(notify(headers, b"SIP/2.0 " + body, tag=session.local_tag))
    assert all(answer.status in (200, 400) for answer in answers)
