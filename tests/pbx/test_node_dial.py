"""`dial` to a node on virtual time: a second script speaks with the caller of the first."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from two_phones import TENANT, Phones
from world import sdp

from ivrnode.media import messages as media
from ivrnode.pbx.call.call import APOLOGY
from ivrnode.script import messages as script
from ivrnode.script.end import ScriptEnd
from ivrnode.sip import events as sip

if TYPE_CHECKING:
    from recording_desk import Desk

OK = {"ok": True, "code": 200, "reason": ""}


@pytest.fixture
def world(tmp_path: Path, desk: Desk) -> Phones:
    return Phones(tmp_path, desk)


class Node:
    """The call of the dialled node: the first script is called, the second one runs."""

    def __init__(self, world: Phones, **arguments: object) -> None:
        self.world = world
        if not world.core.calls:
            world.call()
        world.ask("dial", dest="701", **arguments)
        self.name = list(world.desk.scripts)[-1]
        self.leg = int(world.desk.of_kind(media.Join)[-1].leg)

    def act(self, action: script.Action) -> None:
        self.world.core.script_acted(self.name, action, self.world.now)
        self.world.exchange()


def told(desk: Desk, name: str, monkeypatch: pytest.MonkeyPatch) -> list[script.Event]:
    """What one of the scripts is told from here on."""
    events: list[script.Event] = []
    monkeypatch.setattr(desk, "tell_script", lambda call, event: events.append(event) if call == name else None)
    return events


def script_ends(world: Phones, name: str, reason: str = "finished", *, is_fault: bool = False) -> None:
    world.core.script_ended(name, ScriptEnd(reason, "", is_fault), world.now)
    world.exchange()


def test_the_nodes_script_speaks_in_the_place_of_the_first(world: Phones, desk: Desk) -> None:
    node = Node(world)
    assert desk.of_kind(media.Join) == [media.Join(node.leg, world.first_leg)] and world.replies == [OK]
    facts = desk.scripts[node.name].facts
    assert (facts.node, facts.called, facts.caller, dict(facts.params)) == ("701", "701", "40", {})
    node.act(script.Play(1, "pcm16", 8000, b"\0\0"))
    world.act(script.Play(1, "pcm16", 8000, b"\0\0"))
    assert [command.leg for command in desk.of_kind(media.Play)] == [node.leg]
    world.act(script.Wait(None, 0))
    assert not world.news and not world.seen(sip.Ended), "a script that waits for its dial is not hung up"


def test_its_end_gives_the_caller_back(world: Phones, desk: Desk) -> None:
    node = Node(world)
    node.act(script.Wait(None, 0))
    assert world.news == [("end", {"reason": "far_end"})]
    assert desk.of_kind(media.Close) == [media.Close(node.leg)] and not world.seen(sip.Ended)
    world.tell(media.Closed(node.leg))
    assert world.hung_up == ["finished"]
    script_ends(world, node.name)
    assert list(world.core.calls) == [world.name]
    world.act(script.Play(2, "pcm16", 8000, b"\0\0"))
    assert desk.of_kind(media.Play)[-1].leg == world.first_leg


def test_keys_go_to_the_script_that_has_the_caller(world: Phones, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    node = Node(world)
    events = told(desk, node.name, monkeypatch)
    node.act(script.ListenDigits(True))
    world.tell(media.Digit(world.first_leg, "5"))
    world.phone_session.send_info("application/dtmf-relay", b"Signal=6", world.now)
    world.exchange()
    assert events == [script.DigitPressed("5"), script.DigitPressed("6")]


def test_the_first_script_takes_its_caller_back(world: Phones) -> None:
    node = Node(world)
    for _ in range(2):
        world.act(script.Request(0, "dial.hangup", {"dial": world.asked}))
    world.tell(media.Closed(node.leg))
    assert world.hung_up == ["caller"]
    assert world.news == [("end", {"reason": "script"})] and not world.seen(sip.Ended)


def test_the_callers_end_is_the_end_of_both(world: Phones) -> None:
    node = Node(world)
    world.phone_session.hangup(world.now)
    world.exchange()
    world.engine_answers()
    assert world.hung_up == ["caller", "caller"] and world.news == [("end", {"reason": "caller"})]
    for name in (node.name, world.name):
        script_ends(world, name)
    assert not world.core.calls and not world.core.exchange._legs and not world.core.exchange._sessions


def test_hold_is_the_business_of_the_first_leg(world: Phones, desk: Desk) -> None:
    Node(world)
    world.phone_session.reinvite(sdp("sendonly", 2), world.now)
    world.exchange()
    assert desk.of_kind(media.Connect)[-1].leg == world.first_leg


@pytest.mark.parametrize("node_settings", ["", 'transfer_method = "refer"'])
def test_the_node_may_send_the_caller_to_a_phone(tmp_path: Path, desk: Desk, node_settings: str) -> None:
    tenant = TENANT.replace("[nodes.701]", f"[nodes.701]\n{node_settings}")
    world = Phones(tmp_path, desk, tenant=tenant)
    world.ben.register("120", "correct horse")
    node = Node(world)
    node.act(script.Request(1, "transfer", {"dest": "120"}))
    world.opened()
    world.ben.accept()
    assert not world.seen(sip.Asked), "a guest has no say in the session"
    assert desk.of_kind(media.Bridge) == [media.Bridge(node.leg, world.leg)]
    world.tell(media.Cleared(node.leg))
    assert world.hung_up == ["transferred"] and not world.news
    world.ben.hangup()
    assert world.news == [("end", {"reason": "far_end"})] and not world.seen(sip.Ended)
    assert desk.of_kind(media.Unbridge) and media.Close(node.leg) in desk.of_kind(media.Close)


def test_the_node_may_send_the_caller_to_another_node(world: Phones, desk: Desk) -> None:
    node = Node(world)
    node.act(script.Request(1, "transfer", {"dest": "700"}))
    world.tell(media.Cleared(node.leg))
    third = list(desk.scripts)[-1]
    assert desk.scripts[third].facts.node == "700" and not world.news
    script_ends(world, node.name)
    world.core.script_acted(third, script.Hangup(), world.now)
    world.exchange()
    assert world.news == [("end", {"reason": "far_end"})] and not world.seen(sip.Ended)


def test_a_node_whose_script_fails_apologises_and_gives_the_caller_back(world: Phones, desk: Desk) -> None:
    node = Node(world)
    script_ends(world, node.name, "killed", is_fault=True)
    assert desk.spoken[-1][:2] == (node.name, APOLOGY) and not world.news
    world.tell(media.ItemDone(node.leg, APOLOGY, 3000))
    assert world.news == [("end", {"reason": "error"})] and not world.seen(sip.Ended)


def test_a_first_script_that_dies_gets_its_caller_an_apology(world: Phones, desk: Desk) -> None:
    node = Node(world)
    world.script_ends("killed", "CPU", is_fault=True)
    assert desk.spoken[-1][:2] == (world.name, APOLOGY)
    assert media.Close(node.leg) in desk.of_kind(media.Close) and not world.seen(sip.Ended)


@pytest.mark.parametrize(("what", "is_over"), [("accept", False), ("reject", True)])
def test_params_are_the_nodes_and_it_may_reject(world: Phones, desk: Desk, what: str, is_over: bool) -> None:
    node = Node(world, params={"ivraction": "quiz", "level": 2})
    assert dict(desk.scripts[node.name].facts.params) == {"ivraction": "quiz", "level": 2}
    node.act(script.Request(0, what, {}))
    assert bool(world.news) is is_over and world.replies == [OK]


def test_params_reach_the_node_without_ivraction_too(world: Phones, desk: Desk) -> None:
    node = Node(world, params={"who": "Ada", "cobj": "c1"})
    assert dict(desk.scripts[node.name].facts.params) == {"who": "Ada", "cobj": "c1"}


def test_nodes_that_dial_each_other_come_to_an_end(world: Phones, desk: Desk) -> None:
    node = Node(world)
    world.core._reception._max_calls = 99
    for _ in range(20):
        node.act(script.Request(1, "dial", {"dest": "701"}))
        node.name = list(desk.scripts)[-1]
    assert len(world.core.calls) == 11 and world.replies[-1]["code"] == 483
    assert desk.of_kind(media.Join)[1] == media.Join(node.leg + 1, node.leg)
    world.phone_session.hangup(world.now)
    world.exchange()
    world.engine_answers()
    assert world.hung_up == ["caller"] * 11


def test_a_full_house_has_no_room_for_the_node(tmp_path: Path, desk: Desk) -> None:
    world = Phones(tmp_path, desk, tenant="max_calls = 1\n" + TENANT)
    world.call()
    world.ask("dial", dest="701")
    assert world.replies == [{"ok": False, "code": 480, "reason": "All lines of this tenant are busy"}]
    world.act(script.Wait(None, 0))
    assert world.logged("ended: finished")
