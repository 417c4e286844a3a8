"""A phone calls a phone of its tenant, on virtual time: no script has a part in it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from two_phones import TENANT, Phones
from world import AT_PHONE, sdp

from ivrnode.media import messages as media
from ivrnode.pbx.operations import call_operations
from ivrnode.sip import events as sip
from ivrnode.sip.address import NameAddr
from ivrnode.sip.digest import Credentials
from ivrnode.sip.uri import Uri

if TYPE_CHECKING:
    from recording_desk import Desk

    from ivrnode.sip.invite import InviteSession

ANN = Credentials("121", "battery staple")


@pytest.fixture
def world(tmp_path: Path, desk: Desk) -> Phones:
    world = Phones(tmp_path, desk)
    world.ben.register("120", "correct horse")
    return world


def invite(world: Phones, body: bytes | None = None, credentials: Credentials | None = ANN) -> InviteSession:
    """Ann, who is 121, calls Ben."""
    session = world.phone.invite(
        Uri.parse("sip:120@localhost"),
        AT_PHONE,
        world.now,
        from_=NameAddr("The Boss", Uri.parse("sip:1@192.0.2.9")),
        body=sdp() if body is None else body,
        credentials=credentials,
    )
    world.exchange()
    return session


def ring(world: Phones, body: bytes | None = None) -> InviteSession:
    """Both legs are open, and Ben's phone is called."""
    session = invite(world, body)
    world.opened()
    world.opened()
    return session


def is_over(world: Phones) -> bool:
    """Nothing is left of it, once the engine has done what was asked of it."""
    world.engine_answers()
    exchange = world.core.exchange
    return not (world.core.under_way() or exchange._legs or exchange._sessions)


def statuses(world: Phones) -> list[int]:
    return [event.status for event in world.seen(sip.Rejected)]


def test_it_rings_there_and_the_two_talk(world: Phones, desk: Desk) -> None:
    ring(world)
    assert not [event for event in world.seen(sip.Rang) if event.status != 100]
    world.ben.ring()
    assert world.seen(sip.Rang)[-1].status == 180 and not world.seen(sip.Accepted)
    world.ben.accept()
    assert len(world.seen(sip.Accepted)) == 1 and not desk.scripts
    assert desk.of_kind(media.Bridge) == [media.Bridge(world.first_leg, world.leg)]
    assert {command.leg for command in desk.of_kind(media.Start)} == {world.first_leg, world.leg}


def test_who_calls_is_the_account_whatever_its_phone_says(world: Phones) -> None:
    ring(world)
    [invited] = world.ben.of(sip.Invited)
    assert str(invited.request.from_.uri) == "sip:121@localhost" and not invited.request.from_.display_name


def test_a_stranger_reaches_no_phone(world: Phones) -> None:
    invite(world, credentials=None)
    assert statuses(world) == [401] and not world.ben.of(sip.Invited) and is_over(world)


def test_the_caller_ends_it(world: Phones) -> None:
    session = ring(world)
    world.ben.accept()
    session.hangup(world.now)
    world.exchange()
    assert [event.reason for event in world.ben.of(sip.Ended)] == ["bye"]
    assert world.logged("ended: caller") and is_over(world)


def test_the_called_one_ends_it(world: Phones) -> None:
    ring(world)
    world.ben.accept()
    world.ben.hangup()
    assert [event.reason for event in world.seen(sip.Ended)] == ["bye"]
    assert world.logged("ended: far_end") and is_over(world)


def test_a_cancel_stops_the_ringing(world: Phones) -> None:
    session = ring(world)
    world.ben.ring()
    session.hangup(world.now)
    world.exchange()
    assert [event.reason for event in world.ben.of(sip.Ended)] == ["cancel"] and is_over(world)


def test_a_cancel_before_the_leg_is_open_calls_nobody(world: Phones) -> None:
    session = invite(world)
    world.wait(0.3)
    session.hangup(world.now)
    world.exchange()
    world.opened()
    assert len(world.desk.of_kind(media.Open)) == 1 and is_over(world)


@pytest.mark.parametrize(("theirs", "told"), [(486, 486), (603, 603), (404, 404), (503, 500), (401, 480), (302, 480)])
def test_a_refusal_is_passed_on(world: Phones, theirs: int, told: int) -> None:
    ring(world)
    world.ben.reject(theirs)
    assert statuses(world) == [told] and is_over(world)


def test_nobody_answers_for_a_minute(world: Phones) -> None:
    ring(world)
    world.ben.ring()
    world.wait(59.5, step=0.5)
    assert not statuses(world)
    world.wait(1.0)
    assert [(event.status, event.reason) for event in world.seen(sip.Rejected)] == [(480, "No answer")]
    assert world.ben.of(sip.Ended) and is_over(world)


def test_an_account_without_a_phone_is_480(tmp_path: Path, desk: Desk) -> None:
    world = Phones(tmp_path, desk)
    invite(world)
    world.opened()
    assert statuses(world) == [480] and is_over(world)


def test_no_port_for_the_caller(world: Phones) -> None:
    invite(world)
    world.tell(media.OpenFailed(world.leg, "no RTP port free"))
    assert statuses(world) == [503] and is_over(world)


def test_an_engine_that_hangs_is_no_silence(world: Phones) -> None:
    invite(world)
    world.wait(5.1, step=0.1)
    assert statuses(world) == [503] and is_over(world)


def test_no_port_for_the_called_one(world: Phones) -> None:
    invite(world)
    world.opened()
    world.tell(media.OpenFailed(world.leg, "no RTP port free"))
    assert statuses(world) == [500] and is_over(world)


def test_an_offer_that_cannot_be_met_lets_the_called_one_go(world: Phones) -> None:
    ring(world, sdp().replace(b"RTP/AVP 0 101", b"RTP/AVP 18"))
    world.ben.accept()
    assert statuses(world) == [488]
    assert [event.reason for event in world.ben.of(sip.Ended)] == ["bye"] and is_over(world)


def test_a_late_offer_is_met(world: Phones, desk: Desk) -> None:
    session = ring(world, b"")
    world.ben.accept()
    [accepted] = world.seen(sip.Accepted)
    assert accepted.is_offer
    session.accept(sdp(), world.now)
    world.exchange()
    assert world.first_leg in [command.leg for command in desk.of_kind(media.Connect)]


def test_keys_and_hold_go_through(world: Phones, desk: Desk) -> None:
    session = ring(world)
    world.ben.accept()
    world.tell(media.Digit(world.first_leg, "1"))
    session.send_info("application/dtmf-relay", b"Signal=2", world.now)
    session.reinvite(sdp("sendonly", 2), world.now)
    world.exchange()
    world.tell(media.Digit(world.leg, "3"))
    assert desk.of_kind(media.SendDigits) == [
        media.SendDigits(world.leg, "1"),
        media.SendDigits(world.leg, "2"),
        media.SendDigits(world.first_leg, "3"),
    ]
    assert desk.of_kind(media.Connect)[-1].direction == "recvonly"


def test_a_line_that_is_dead_for_a_minute_is_given_up(world: Phones) -> None:
    ring(world)
    world.ben.accept()
    world.tell(media.NoRtp(world.first_leg, 50))
    assert not world.seen(sip.Ended)
    world.tell(media.NoRtp(world.first_leg, 60))
    assert world.seen(sip.Ended) and world.ben.of(sip.Ended) and is_over(world)


def test_they_take_a_line_of_the_tenant(tmp_path: Path, desk: Desk) -> None:
    world = Phones(tmp_path, desk, tenant="max_calls = 1\n" + TENANT)
    world.ben.register("120", "correct horse")
    ring(world)
    world.invite()
    [refused] = world.seen(sip.Rejected)
    assert (refused.status, refused.reason) == (480, "All lines of this tenant are busy")


def test_the_operator_sees_them_and_hangs_up(world: Phones) -> None:
    operations = call_operations(world.core, lambda: world.now)
    ring(world)
    [row] = operations["call.list"]()
    assert (row["caller"], row["node"], row["state"]) == ("121", "120", "opening")
    world.ben.accept()
    assert operations["call.hangup"](id=row["id"])
    world.exchange()
    assert world.ben.of(sip.Ended) and world.seen(sip.Ended) and is_over(world)
    [row] = operations["call.list"](all=True)
    assert (row["state"], row["reason"]) == ("ended", "admin")


def test_it_lasts_no_longer_than_the_tenant_says(tmp_path: Path, desk: Desk) -> None:
    world = Phones(tmp_path, desk, tenant="max_duration = 30\n" + TENANT)
    world.ben.register("120", "correct horse")
    ring(world)
    world.wait(20, step=0.5)
    world.ben.accept()
    world.wait(29.5, step=0.5)
    assert not world.seen(sip.Ended)
    world.wait(1.0)
    assert world.seen(sip.Ended) and [event.reason for event in world.ben.of(sip.Ended)] == ["bye"]
    [line] = world.logged("ended: max_duration after 30.0 s")
    assert (line.category, line.level) == ("APP", 4) and is_over(world)


def test_a_short_talk_leaves_no_deadline(world: Phones) -> None:
    session = ring(world)
    world.ben.accept()
    session.hangup(world.now)
    world.exchange()
    assert is_over(world) and not any("max" in key for key in world.core.agenda._jobs)


@pytest.mark.parametrize("what", ["shut_down", "media_died"])
def test_the_end_of_the_house_is_their_end(world: Phones, what: str) -> None:
    ring(world)
    world.ben.accept()
    getattr(world.core, what)(world.now)
    world.exchange()
    assert world.ben.of(sip.Ended) and world.seen(sip.Ended) and is_over(world)
