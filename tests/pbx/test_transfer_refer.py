"""Transfers by REFER: the phone goes there itself, or is bridged where it will not."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from transfers import OK, failed
from two_phones import Phones

from ivrnode.media import messages as media
from ivrnode.sip import events as sip
from ivrnode.sip.outgoing_request import OutgoingRequest

if TYPE_CHECKING:
    from recording_desk import Desk

REFER = 'transfer_method = "refer"'


def refer_world(
    tmp_path: Path,
    desk: Desk,
    allow: tuple[str, ...] = ("INVITE", "REFER", "NOTIFY"),
    dest: str = "120",
    *,
    has_phone: bool = False,
) -> Phones:
    """The caller's phone takes REFER, and the node may use it. `has_phone`: Ben could be called by us, too."""
    world = Phones(tmp_path, desk, REFER)
    if has_phone:
        world.ben.register("120", "correct horse")
    world.phone.allow_text = ", ".join(allow)
    world.phone._allow = (*world.phone._allow, "REFER")
    world.call()
    world.ask("transfer", dest=dest, timeout=20)
    return world


def answer_refer(world: Phones, status: int, dest: str = "120") -> None:
    [asked] = world.seen(sip.Asked)
    assert asked.request.headers.get("Refer-To") == f"<sip:{dest}@192.0.2.1>"
    assert asked.request.headers.get("Referred-By") == "<sip:700@192.0.2.1>"
    world.phone.respond(asked, status, world.now)
    world.exchange()


def notify(world: Phones, line: str) -> None:
    session = world.phone_session
    assert session.dialog is not None
    request = session.dialog.request("NOTIFY")
    for name, value in (("Event", "refer"), ("Subscription-State", "active"), ("Content-Type", "message/sipfrag")):
        request.headers.add(name, value)
    request.body = f"SIP/2.0 {line}\r\n".encode()
    OutgoingRequest(
        world.phone.layer, request, session.flow, None, session.dialog.next_sequence, lambda *_: None
    ).send(world.now)  # fmt: skip
    world.exchange()


def test_refer_sends_the_phone_there_and_ends_the_call(tmp_path: Path, desk: Desk) -> None:
    world = refer_world(tmp_path, desk)
    answer_refer(world, 202)
    notify(world, "180 Ringing")
    assert not world.replies and not world.seen(sip.Ended)
    notify(world, "200 OK")
    assert world.replies == [OK | {"method": "refer"}]
    assert world.seen(sip.Ended)
    world.engine_answers()
    assert world.hung_up == ["transferred"]


@pytest.mark.parametrize(("line", "code"), [("486 Busy Here", 486), ("603 Decline", 603)])
def test_a_failed_refer_gives_the_caller_back(tmp_path: Path, desk: Desk, line: str, code: int) -> None:
    world = refer_world(tmp_path, desk)
    answer_refer(world, 202)
    notify(world, line)
    assert (world.replies[0]["ok"], world.replies[0]["code"], world.replies[0]["method"]) == (False, code, "refer")
    assert desk.of_kind(media.Unbridge) and not world.seen(sip.Ended)


@pytest.mark.parametrize("status", [400, 403, 405, 480, 503, 603])
def test_a_refused_refer_is_bridged(tmp_path: Path, desk: Desk, status: int) -> None:
    world = refer_world(tmp_path, desk, has_phone=True)
    assert desk.of_kind(media.Ring) and not desk.of_kind(media.Open)[1:]
    answer_refer(world, status)
    assert world.logged(f"REFER was refused: {status}") and not world.replies
    world.opened()
    world.ben.accept()
    assert world.replies == [OK]
    assert desk.of_kind(media.Bridge) == [media.Bridge(world.first_leg, world.leg)] and not world.seen(sip.Ended)


def test_a_refused_refer_to_a_node_hands_the_caller_over(tmp_path: Path, desk: Desk) -> None:
    world = refer_world(tmp_path, desk, dest="701")
    answer_refer(world, 405, dest="701")
    assert world.replies == [OK | {"dest": "701"}]
    assert world.commands(media.Ring, media.Unbridge, media.Clear) == [
        media.Ring(world.leg), media.Unbridge(world.leg), media.Clear(world.leg)
    ]  # fmt: skip
    world.tell(media.Cleared(world.leg))
    assert desk.scripts[list(desk.scripts)[-1]].facts.node == "701" and not world.seen(sip.Ended)


def test_a_refused_refer_to_who_cannot_be_reached_gives_the_caller_back(tmp_path: Path, desk: Desk) -> None:
    world = refer_world(tmp_path, desk)
    answer_refer(world, 603)
    reason = "120 has no phone that is registered (REFER was refused: 603 Decline)"
    assert world.replies == [failed(480, reason)]
    assert desk.of_kind(media.Unbridge) and not world.seen(sip.Ended)
    notify(world, "200 OK")
    assert len(world.replies) == 1 and not world.seen(sip.Ended)


@pytest.mark.parametrize("status", [0, 202])
def test_a_refer_that_nothing_is_told_of_is_bridged(tmp_path: Path, desk: Desk, status: int) -> None:
    world = refer_world(tmp_path, desk, has_phone=True)
    if status:
        answer_refer(world, status)
    world.wait(4.9)
    assert not desk.of_kind(media.Open)[1:]
    world.wait(0.2)
    assert world.logged("nothing was told after REFER")
    world.opened()
    world.ben.accept()
    assert world.replies == [OK] and not world.seen(sip.Ended)


def test_a_phone_that_was_there_after_all_has_the_call(tmp_path: Path, desk: Desk) -> None:
    world = refer_world(tmp_path, desk, has_phone=True)
    answer_refer(world, 202)
    world.wait(5.1)
    world.opened()
    world.ben.ring()
    notify(world, "200 OK")
    assert world.replies == [OK | {"method": "refer"}]
    assert [event.reason for event in world.ben.of(sip.Ended)] == ["cancel"] and world.seen(sip.Ended)
    assert not desk.of_kind(media.Bridge)


def test_a_phone_that_is_gone_is_not_bridged(tmp_path: Path, desk: Desk) -> None:
    world = refer_world(tmp_path, desk, has_phone=True)
    answer_refer(world, 481)
    assert world.replies == [failed(0, "the call ended") | {"method": "refer"}]
    assert not desk.of_kind(media.Open)[1:] and world.core.calls[world.name].reason == "error"


def test_a_refer_that_rings_without_an_end_is_given_up(tmp_path: Path, desk: Desk) -> None:
    world = refer_world(tmp_path, desk)
    answer_refer(world, 202)
    notify(world, "180 Ringing")
    world.wait(19.9)
    assert not world.replies
    world.wait(0.2)
    assert world.replies[0]["code"] == 408 and world.replies[0]["method"] == "refer" and not world.seen(sip.Ended)


def test_a_phone_that_does_not_take_refer_is_bridged(tmp_path: Path, desk: Desk) -> None:
    world = refer_world(tmp_path, desk, allow=("INVITE", "BYE"))
    assert not world.seen(sip.Asked)
    assert world.replies == [failed(480, "120 has no phone that is registered")]
