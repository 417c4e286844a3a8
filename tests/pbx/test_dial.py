"""`dial` on virtual time: a talk that ends before the call does, and legs that hear a script before they join."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from two_phones import TENANT, Phones

from ivrnode.media import messages as media
from ivrnode.script import messages as script
from ivrnode.script.end import ScriptEnd
from ivrnode.sip import events as sip

if TYPE_CHECKING:
    from recording_desk import Desk

OK = {"ok": True, "code": 200, "reason": ""}
PARAMS = {"ivraction": "announce", "who": "Ada"}


@pytest.fixture
def world(tmp_path: Path, desk: Desk) -> Phones:
    return Phones(tmp_path, desk)


def failed(code: int, reason: str) -> dict[str, object]:
    return {"ok": False, "code": code, "reason": reason}


def test_they_talk_and_the_caller_is_back_with_the_script(world: Phones, desk: Desk) -> None:
    world.ring_ben("dial")
    first, second = world.first_leg, world.leg
    assert world.commands(media.Ring) == [media.Ring(first)]
    world.ben.accept()
    assert world.replies == [OK] and world.commands(media.Bridge) == [media.Bridge(first, second)]
    world.act(script.Wait(None, 0))
    assert not world.seen(sip.Ended), "a script that waits for its dial is not hung up"
    world.ben.hangup()
    assert world.news == [("end", {"reason": "far_end"})]
    assert world.commands(media.Unbridge)[-1] == media.Unbridge(first)
    assert desk.of_kind(media.Close) == [media.Close(second)]
    world.act(script.Play(3, "pcm16", 8000, b"\0\0"))
    assert desk.of_kind(media.Play)[-1].item == 3
    assert not world.seen(sip.Ended) and not world.hung_up


def test_the_script_may_take_its_caller_back(world: Phones) -> None:
    world.ring_ben("dial")
    world.ben.accept()
    for _ in range(2):
        world.act(script.Request(0, "dial.hangup", {"dial": world.asked}))
    assert [event.reason for event in world.ben.of(sip.Ended)] == ["bye"]
    assert world.news == [("end", {"reason": "script"})] and not world.seen(sip.Ended)


def test_the_script_may_stop_the_ringing(world: Phones) -> None:
    world.ring_ben("dial")
    world.ben.ring()
    world.act(script.Request(0, "dial.hangup", {"dial": world.asked + 1}))
    assert not world.replies
    world.act(script.Request(0, "dial.hangup", {"dial": world.asked}))
    assert [event.reason for event in world.ben.of(sip.Ended)] == ["cancel"]
    assert world.replies == [failed(487, "the script hung up")] and not world.news


@pytest.mark.parametrize("what", [None, "1", 7.5, [], {}])
def test_a_hostile_number_hangs_nothing_up(world: Phones, what: Any) -> None:
    world.ring_ben("dial")
    world.ben.accept()
    world.act(script.Request(0, "dial.hangup", {"dial": what}))
    assert not world.ben.of(sip.Ended)


@pytest.mark.parametrize(("status", "reason"), [(486, "Busy Here"), (603, "Decline")])
def test_a_refusal_gives_the_caller_back(world: Phones, status: int, reason: str) -> None:
    world.ring_ben("dial")
    world.ben.reject(status)
    assert world.replies == [failed(status, reason)]
    assert world.commands(media.Unbridge) and not world.seen(sip.Ended)


def test_the_end_of_the_call_ends_the_other_one_too(world: Phones) -> None:
    world.ring_ben("dial")
    world.ben.accept()
    world.phone_session.hangup(world.now)
    world.exchange()
    assert world.ben.of(sip.Ended)
    world.engine_answers()
    assert world.news == [("end", {"reason": "caller"})] and world.hung_up == ["caller"]
    world.script_ends("finished")
    assert not world.core.calls


def test_a_phone_without_ivraction_reads_no_params(world: Phones) -> None:
    world.ring_ben("dial", params={"who": "Ada", "cobj": "c1", "timeout": 5})
    world.ben.accept()
    assert len(world.core.calls) == 1 and world.commands(media.Bridge)
    [line] = world.logged("is ignored")
    assert (line.level, line.text) == (4, "dial 120: 'who' is ignored: a phone without ivraction reads none")


def test_the_script_knows_how_many_dials_it_has(tmp_path: Path, desk: Desk) -> None:
    world = Phones(tmp_path, desk, tenant=TENANT + "[quotas]\ndials_per_call = 2\n")
    world.call()
    assert [boot.facts.most_dials for boot in desk.scripts.values()] == [2]


def test_five_dials_in_a_call(world: Phones, desk: Desk) -> None:
    """The script's side keeps to it by itself; one that does not is refused."""
    world.call()
    assert [boot.facts.most_dials for boot in desk.scripts.values()] == [5]
    for _ in range(6):
        world.ask("dial", dest="120")
    assert world.replies[4] == failed(480, "120 has no phone that is registered")
    assert world.replies[5] == failed(0, "quota dials_per_call: 5 are used up")


# With a script of its own.


def announce(world: Phones, desk: Desk) -> str:
    """Ben's leg is up and runs the script; the name of its call."""
    world.ring_ben("dial", params=PARAMS)
    world.ben.accept()
    return list(desk.scripts)[-1]


def act(world: Phones, name: str, action: script.Action) -> None:
    world.core.script_acted(name, action, world.now)
    world.exchange()


def test_the_called_one_hears_the_script_while_the_caller_hears_his(world: Phones, desk: Desk) -> None:
    leg = announce(world, desk)
    facts = desk.scripts[leg].facts
    assert (facts.node, facts.called, facts.caller, dict(facts.params)) == ("700", "120", "40", PARAMS)
    assert not world.commands(media.Ring, media.Bridge, media.Mute)
    world.act(script.Play(1, "pcm16", 8000, b"\0\0"))
    act(world, leg, script.Play(1, "pcm16", 8000, b"\1\1"))
    assert [command.leg for command in desk.of_kind(media.Play)] == [world.first_leg, world.leg]
    world.tell(media.ItemDone(world.first_leg, 1, 20))
    world.act(script.Wait(None, 0))
    assert not world.replies and not world.seen(sip.Ended), "a script that waits for its dial is not hung up"


def test_accept_joins_the_two(world: Phones, desk: Desk) -> None:
    leg = announce(world, desk)
    for _ in range(2):
        act(world, leg, script.Request(0, "accept"))
    assert world.replies == [OK]
    assert world.commands(media.Bridge) == [media.Bridge(world.first_leg, world.leg)]
    world.tell(media.Cleared(world.leg))
    assert world.hung_up == ["transferred"]
    world.core.script_ended(leg, ScriptEnd("finished", "", False), world.now)
    world.tell(media.Digit(world.first_leg, "1"))
    world.tell(media.Digit(world.leg, "2"))
    assert desk.of_kind(media.SendDigits) == [media.SendDigits(world.leg, "1"), media.SendDigits(world.first_leg, "2")]
    world.ben.hangup()
    assert world.news == [("end", {"reason": "far_end"})]
    world.tell(media.Closed(world.leg))
    assert list(world.core.calls) == [world.name] and not world.seen(sip.Ended)


@pytest.mark.parametrize("is_joined", [True, False])
def test_the_callers_end_ends_the_leg(world: Phones, desk: Desk, is_joined: bool) -> None:
    leg = announce(world, desk)
    if is_joined:
        act(world, leg, script.Request(0, "accept"))
    world.phone_session.hangup(world.now)
    world.exchange()
    assert world.ben.of(sip.Ended)
    world.engine_answers()
    for name in list(world.core.calls):
        world.core.script_ended(name, ScriptEnd("finished", "", False), world.now)
    assert not world.core.calls
    assert world.replies == ([OK] if is_joined else [failed(0, "the call ended")])
    assert len(world.news) == is_joined


@pytest.mark.parametrize(
    ("action", "reason"),
    [
        (script.Request(0, "reject", {"reason": "not now"}), "not now"),
        (script.Request(0, "reject", {}), "not accepted"),
        (script.Hangup(), "not accepted"),
        (script.Wait(None, 0), "not accepted"),
    ],
)
def test_without_accept_the_caller_is_left_alone(world: Phones, desk: Desk, action: script.Action, reason: str) -> None:
    leg = announce(world, desk)
    act(world, leg, action)
    assert world.replies == [failed(603, reason)]
    assert world.ben.of(sip.Ended) and not world.seen(sip.Ended) and not world.commands(media.Unbridge)
    assert world.core.calls[world.name].company.announcements == {}


def test_the_called_one_hangs_up_before_he_has_decided(world: Phones, desk: Desk) -> None:
    announce(world, desk)
    world.ben.hangup()
    assert world.replies == [failed(603, "not accepted")]


def test_several_may_be_asked_and_the_first_who_accepts_has_the_caller(world: Phones, desk: Desk) -> None:
    world.bens_second.register("121", "battery staple")
    first = announce(world, desk)
    world.ask("dial", dest="121", params=PARAMS)
    world.opened()
    world.bens_second.accept()
    second = list(desk.scripts)[-1]
    act(world, second, script.Request(0, "accept"))
    act(world, first, script.Request(0, "accept"))
    assert world.replies == [OK, failed(603, "the caller talks with somebody else")]
    assert world.ben.of(sip.Ended) and not world.bens_second.of(sip.Ended)


def test_only_a_dialled_leg_can_accept(world: Phones) -> None:
    world.call()
    for what in ("accept", "reject"):
        world.act(script.Request(0, what))
        assert world.logged(f"{what}: this leg was not dialled, or its caller is gone")


def test_the_script_may_stop_an_announcement(world: Phones, desk: Desk) -> None:
    announce(world, desk)
    world.act(script.Request(0, "dial.hangup", {"dial": world.asked}))
    assert world.replies == [failed(487, "the script hung up")] and world.ben.of(sip.Ended)


def test_a_full_house_has_no_room_for_the_leg(tmp_path: Path, desk: Desk) -> None:
    world = Phones(tmp_path, desk, tenant="max_calls = 1\n" + TENANT)
    world.ring_ben("dial", params=PARAMS)
    world.ben.accept()
    assert world.replies == [failed(480, "All lines of this tenant are busy")]
    assert world.ben.of(sip.Ended)
