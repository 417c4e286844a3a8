"""`transfer` on virtual time: the phone of an extension, another node, the fallback, and how they fail."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from transfers import OK, failed
from two_phones import Phones
from world import sdp

from ivrnode.media import messages as media
from ivrnode.pbx.call.call import APOLOGY
from ivrnode.pbx.call.incoming_call import State
from ivrnode.script import messages as script
from ivrnode.script.end import ScriptEnd
from ivrnode.sip import events as sip
from ivrnode.sip.uri import Uri

if TYPE_CHECKING:
    from recording_desk import Desk


@pytest.fixture
def world(tmp_path: Path, desk: Desk) -> Phones:
    return Phones(tmp_path, desk)


def test_the_caller_hears_it_ring_and_then_talks(world: Phones, desk: Desk) -> None:
    world.ring_ben()
    first, second = world.first_leg, world.leg
    assert world.commands(media.Mute, media.Ring, media.Bridge) == [media.Mute(first, 0), media.Ring(first)]
    invited = world.ben.of(sip.Invited)[0]
    assert str(invited.request.from_).startswith('"Ann" <sip:40@localhost>')
    assert invited.request.max_forwards == 69
    world.ben.ring()
    world.ben.accept()
    assert world.commands(media.Bridge, media.Clear) == [media.Bridge(first, second), media.Clear(first, True)]
    assert world.replies == [OK] and world.hung_up == []
    world.tell(media.Cleared(first))
    assert world.hung_up == ["transferred"]
    assert not world.seen(sip.Ended) and not world.ben.of(sip.Ended)
    world.script_ends("finished")
    assert list(world.core.calls) == [world.name] and world.core.calls[world.name].state is State.RELEASED


@pytest.mark.parametrize("dest", ["120", "701"])
def test_a_script_that_has_given_its_caller_away_cannot_hurt_him(world: Phones, desk: Desk, dest: str) -> None:
    """It may do this after `await call.transfer()`, before it is told that it is over."""
    world.ring_ben(dest=dest)
    if dest == "120":
        world.ben.accept()
    count = len(desk.commands)
    world.act(script.Hangup(), script.Stream("g711_ulaw"), script.Wait(None, 0), script.Say(5, "Bye.", "en"))
    assert not world.seen(sip.Ended) and len(desk.commands) == count
    world.tell(media.Cleared(world.first_leg))
    assert world.hung_up == ["transferred"] and not world.seen(sip.Ended)


@pytest.mark.parametrize("who", ["caller", "ben", "admin"])
def test_a_transferred_call_lives_until_one_of_the_two_hangs_up(world: Phones, desk: Desk, who: str) -> None:
    world.ring_ben()
    world.ben.accept()
    world.engine_answers()
    world.script_ends("finished")
    if who == "caller":
        world.phone_session.hangup(world.now)
        world.exchange()
    elif who == "ben":
        world.ben.hangup()
    else:
        assert world.core.hangup(world.name, world.now)
        world.exchange()
    assert len(world.seen(sip.Ended)) == len(world.ben.of(sip.Ended)) == 1
    assert {command.leg for command in desk.of_kind(media.Close)} == {world.first_leg, world.leg}
    world.engine_answers()
    assert not world.core.calls
    assert world.hung_up == ["transferred"]


@pytest.mark.parametrize(("status", "code"), [(486, 486), (603, 603), (404, 404), (480, 480), (401, 480), (302, 480)])
def test_a_refusal_gives_the_caller_back(world: Phones, desk: Desk, status: int, code: int) -> None:
    world.ring_ben()
    world.ben.reject(status)
    [result] = world.replies
    assert (result["ok"], result["code"]) == (False, code)
    assert world.commands(media.Ring, media.Unbridge) == [media.Ring(world.first_leg), media.Unbridge(world.first_leg)]
    assert desk.of_kind(media.Close) == [media.Close(world.leg)]
    world.act(script.Play(7, "pcm16", 8000, b"\0\0"))
    assert desk.of_kind(media.Play)[-1].item == 7
    assert not world.seen(sip.Ended) and world.hung_up == []


def test_nobody_answers_in_time(world: Phones) -> None:
    world.ring_ben(timeout=5)
    world.ben.ring()
    world.wait(4.9)
    assert not world.replies
    world.wait(0.2)
    assert world.replies == [failed(408, "no answer")]
    assert [event.reason for event in world.ben.of(sip.Ended)] == ["cancel"]


def test_an_answer_that_crosses_our_cancel_is_hung_up(world: Phones, desk: Desk) -> None:
    world.ring_ben(timeout=5)
    world.ben.ring()
    world.now += 5
    world.core.tick(world.now)  # the CANCEL is on its way
    world.ben.session.accept(sdp(), world.now)
    world.exchange()
    assert [event.reason for event in world.ben.of(sip.Ended)] == ["bye"]
    assert world.replies == [failed(408, "no answer")]
    assert not desk.of_kind(media.Bridge)


def test_all_phones_ring_and_the_first_one_has_the_call(world: Phones, desk: Desk) -> None:
    world.bens_second.register("120", "correct horse")
    world.ring_ben()
    world.ben.ring()
    world.bens_second.ring()
    world.bens_second.accept()
    assert [event.reason for event in world.ben.of(sip.Ended)] == ["cancel"]
    assert desk.of_kind(media.Connect)[-1].remote == ("192.0.2.21", 4000)
    assert desk.of_kind(media.Bridge) == [media.Bridge(world.first_leg, world.leg)]
    assert world.replies == [OK]


def test_the_best_of_several_refusals_is_told(world: Phones) -> None:
    world.bens_second.register("120", "correct horse")
    world.ring_ben()
    world.ben.reject(404)
    assert not world.replies
    world.bens_second.reject(486)
    assert world.replies == [failed(486, "Busy Here")]


def test_a_6xx_ends_it_for_all_phones(world: Phones) -> None:
    world.bens_second.register("120", "correct horse")
    world.ring_ben()
    world.ben.ring()
    world.bens_second.reject(603)
    assert world.replies == [failed(603, "Decline")]
    assert [event.reason for event in world.ben.of(sip.Ended)] == ["cancel"]


def test_an_answer_we_cannot_use_is_hung_up(world: Phones) -> None:
    world.ring_ben()
    world.ben.session.accept(sdp().replace(b"RTP/AVP 0 101", b"RTP/AVP 18"), world.now)
    world.exchange()
    assert world.replies[0]["code"] == 488
    assert [event.reason for event in world.ben.of(sip.Ended)] == ["bye"]


def test_no_port_for_the_second_leg(world: Phones) -> None:
    world.ben.register("120", "correct horse")
    world.call()
    world.ask("transfer", dest="120")
    world.tell(media.OpenFailed(world.leg, "no RTP port free"))
    assert world.replies == [failed(503, "no RTP port free")]
    assert not world.ben.of(sip.Invited)


def test_the_caller_hangs_up_while_it_rings(world: Phones, desk: Desk) -> None:
    world.ring_ben()
    world.ben.ring()
    world.phone_session.hangup(world.now)
    world.exchange()
    assert [event.reason for event in world.ben.of(sip.Ended)] == ["cancel"]
    assert world.replies == [failed(0, "the call ended")]
    world.engine_answers()
    assert world.hung_up == ["caller"]
    world.script_ends("finished")
    assert not world.core.calls


def test_the_script_hangs_up_while_it_rings(world: Phones) -> None:
    world.ring_ben()
    world.ben.ring()
    world.act(script.Hangup())
    assert world.replies == [failed(0, "the call ended")]
    assert world.seen(sip.Ended) and world.ben.of(sip.Ended)


def test_what_is_said_while_it_rings_is_done_at_once(world: Phones, desk: Desk) -> None:
    world.ring_ben()
    world.act(script.Say(8, "Are you there?", "en"), script.Play(9, "pcm16", 8000, b"\0\0"))
    assert not desk.of_kind(media.Play) and not desk.spoken
    assert [event for event in desk.told if isinstance(event, script.PlaybackDone)] == [
        script.PlaybackDone(8, 0, True, ""),
        script.PlaybackDone(9, 0, True, ""),
    ]


def test_a_script_that_waits_for_its_transfer_is_not_hung_up(world: Phones) -> None:
    world.ring_ben()
    world.act(script.Wait(None, 0))
    assert not world.seen(sip.Ended)


def test_a_drained_transfer_waits_for_the_last_word(world: Phones, desk: Desk) -> None:
    world.ben.register("120", "correct horse")
    world.call()
    world.act(script.Play(1, "pcm16", 8000, b"\0\0"))
    world.ask("transfer", dest="120", drain=True)
    assert not desk.of_kind(media.Ring)
    world.tell(media.ItemDone(world.leg, 1, 100))
    assert desk.of_kind(media.Ring)
    world.opened()
    assert world.ben.of(sip.Invited)


def test_a_drained_transfer_waits_for_30_s_at_most(world: Phones, desk: Desk) -> None:
    world.ben.register("120", "correct horse")
    world.call()
    world.act(script.Play(1, "pcm16", 8000, b"\0\0"))
    world.ask("transfer", dest="120", drain=True)
    world.wait(29.9)
    assert not desk.of_kind(media.Ring)
    world.wait(0.2)
    assert desk.of_kind(media.Mute) and desk.of_kind(media.Ring)


def test_a_second_one_meanwhile_is_refused(world: Phones) -> None:
    world.ring_ben()
    for what in ("transfer", "dial"):
        world.ask(what, dest="121")
    assert [result["ok"] for result in world.replies] == [False, False]
    assert world.logged("the caller is being connected already")
    world.ben.accept()
    assert world.replies[-1] == OK


NOBODY = "is not allowed: no extension of this tenant, nor in transfer_to (node 700)"


@pytest.mark.parametrize(
    ("node", "dest", "code", "reason"),
    [
        ("", "121", 480, "121 has no phone that is registered"),
        ("", "999", 403, f"999 {NOBODY}"),
        ("", "+4930123456", 403, f"+4930123456 {NOBODY}"),
        ('transfer_to = ["+49*"]', "+4930123456", 404, "+4930123456 is outside: that needs a trunk, and there is none"),
        ('transfer_to = ["+49*"]', "120", 403, "120 is not allowed by transfer_to (node 700)"),
        ('transfer_to = ["9?"]', "99", 404, "99 is outside: that needs a trunk, and there is none"),
        ('transfer_to = ["*"]', "bob", 404, "nobody has the number bob"),
    ],
)
def test_who_may_not_or_cannot_be_reached(
    tmp_path: Path, desk: Desk, node: str, dest: str, code: int, reason: str
) -> None:
    world = Phones(tmp_path, desk, node)
    world.call()
    world.ask("transfer", dest=dest)
    assert world.replies == [failed(code, reason, dest)]
    [line] = [line for line in world.logged(reason) if line.category == "SCRIPT"]
    assert line.level == 2
    assert not world.seen(sip.Ended)


def test_a_pattern_opens_what_the_default_does_not_need(tmp_path: Path, desk: Desk) -> None:
    world = Phones(tmp_path, desk, 'transfer_to = ["12?"]')
    world.ring_ben()
    world.ben.accept()
    assert world.replies == [OK]


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"dest": 7},
        {"dest": "x" * 65},
        {"dest": "1\r\n2"},
        {"dest": "120", "drain": 1},
        {"dest": "120", "timeout": 0},
        {"dest": "120", "timeout": "soon"},
    ],
    ids=str,
)
def test_arguments_of_a_hostile_worker_are_refused(world: Phones, desk: Desk, arguments: dict[str, object]) -> None:
    world.call()
    world.ask("transfer", **arguments)
    [reply] = [event for event in desk.told if isinstance(event, script.Reply)]
    assert reply.error.startswith("transfer: ")


def test_transfers_are_counted(tmp_path: Path, desk: Desk) -> None:
    world = Phones(tmp_path, desk)
    world.call()
    for _ in range(6):
        world.ask("transfer", dest="120")
    assert [result["code"] for result in world.replies] == [480] * 5 + [0]
    assert world.replies[-1]["reason"] == "quota transfers_per_call: 5 are used up"


def test_keys_go_to_who_talks_and_back(world: Phones, desk: Desk) -> None:
    world.ring_ben()
    world.act(script.ListenDigits(True))
    world.tell(media.Digit(world.first_leg, "1"))
    world.ben.accept()
    world.tell(media.Digit(world.first_leg, "2"))
    world.tell(media.Digit(world.leg, "3"))
    world.ben.session.send_info("application/dtmf-relay", b"Signal=4\r\n", world.now)
    world.exchange()
    assert desk.of_kind(media.SendDigits) == [
        media.SendDigits(world.leg, "2"), media.SendDigits(world.first_leg, "3"), media.SendDigits(world.first_leg, "4")
    ]  # fmt: skip
    assert [event for event in desk.told if isinstance(event, script.DigitPressed)] == [script.DigitPressed("1")]


def test_either_side_may_hold_while_they_talk(world: Phones, desk: Desk) -> None:
    world.ring_ben()
    world.ben.accept()
    for session, leg in ((world.phone_session, world.first_leg), (world.ben.session, world.leg)):
        session.reinvite(sdp("sendonly", 2), world.now)
        world.exchange()
        connect = desk.of_kind(media.Connect)[-1]
        assert (connect.leg, connect.direction) == (leg, "recvonly")


def test_a_called_phone_that_falls_silent_ends_the_call(world: Phones) -> None:
    world.ring_ben()
    world.ben.accept()
    world.tell(media.NoRtp(world.leg, 50))
    assert not world.seen(sip.Ended)
    world.tell(media.NoRtp(world.leg, 60))
    assert world.seen(sip.Ended) and world.ben.of(sip.Ended)


def test_another_node_gets_the_caller_and_the_script_ends(world: Phones, desk: Desk) -> None:
    world.call()
    first = world.name
    world.ask("transfer", dest="701")
    assert world.replies == [OK | {"dest": "701"}]
    assert world.commands(media.Clear, media.Close, media.Ring) == [media.Clear(world.leg)]
    assert list(desk.scripts) == [first]
    world.tell(media.Cleared(world.leg))
    assert world.hung_up == ["transferred"]
    assert not world.seen(sip.Ended)
    second = list(desk.scripts)[1]
    facts = desk.scripts[second].facts
    assert (facts.node, facts.called, facts.caller, facts.caller_name, facts.callid) == (
        "701",
        "701",
        "40",
        "Ann",
        second,
    )
    world.core.script_ended(first, ScriptEnd("finished", "", False), world.now)
    assert list(world.core.calls) == [second]
    world.tell(media.Digit(world.leg, "1"))
    world.act(script.ListenDigits(True), script.Hangup())
    assert desk.told[-1] == script.DigitPressed("1")
    assert world.seen(sip.Ended)
    world.tell(media.Closed(world.leg))
    world.script_ends("finished")
    assert not world.core.calls


def test_a_caller_who_leaves_in_between_leaves_nothing(world: Phones, desk: Desk) -> None:
    world.call()
    world.ask("transfer", dest="701")
    world.phone_session.hangup(world.now)
    world.exchange()
    world.tell(media.Cleared(world.leg))
    world.tell(media.Closed(world.leg))
    assert world.hung_up == ["transferred"] and len(desk.scripts) == 1
    world.script_ends("finished")
    assert not world.core.calls


def test_two_nodes_cannot_pass_a_caller_on_for_ever(world: Phones, desk: Desk) -> None:
    world.call()
    for count in range(11):
        name = list(desk.scripts)[-1]
        dest = ("701", "700")[count % 2]
        world.core.script_acted(name, script.Request(count, "transfer", {"dest": dest}), world.now)
        world.tell(media.Cleared(world.leg))
    assert [result["ok"] for result in world.replies] == [True] * 9 + [False]  # request 0 wants no answer
    assert world.logged("10 nodes in one call are the most")


def test_a_phone_may_not_refer_us(world: Phones) -> None:
    session = world.call()
    session.refer(Uri.parse("sip:121@localhost"), world.now)
    world.exchange()
    assert [event.status for event in world.seen(sip.Referred)] == [603]
    assert world.core.calls


def fallback_world(tmp_path: Path, desk: Desk, dest: str = "120") -> Phones:
    world = Phones(tmp_path, desk, f'fallback = "{dest}"\ntransfer_to = ["9"]')
    world.ben.register("120", "correct horse")
    world.call()
    world.act(script.Failed("ZeroDivisionError", 1, True))
    world.script_ends("killed")
    world.tell(media.ItemDone(world.leg, APOLOGY, 3000))
    return world


def test_after_the_apology_the_caller_gets_the_fallback(tmp_path: Path, desk: Desk) -> None:
    world = fallback_world(tmp_path, desk)
    assert desk.of_kind(media.Ring)
    world.opened()
    world.ben.accept()
    world.engine_answers()
    world.wait(31)
    assert not world.seen(sip.Ended)
    world.ben.hangup()
    assert world.seen(sip.Ended)
    world.engine_answers()
    assert not world.core.calls


def test_a_fallback_that_does_not_answer_ends_the_call(tmp_path: Path, desk: Desk) -> None:
    world = fallback_world(tmp_path, desk)
    world.opened()
    world.ben.reject(486)
    assert world.logged("ended: error") and world.seen(sip.Ended)
    world.engine_answers()
    assert not world.core.calls


def test_a_node_as_fallback_gets_a_script_of_its_own(tmp_path: Path, desk: Desk) -> None:
    world = fallback_world(tmp_path, desk, "701")
    world.engine_answers()
    assert desk.scripts[list(desk.scripts)[-1]].facts.node == "701"
    assert len(world.core.calls) == 1 and not world.seen(sip.Ended)


def test_a_fallback_that_nobody_has_is_no_fallback(tmp_path: Path, desk: Desk) -> None:
    world = fallback_world(tmp_path, desk, "999")
    assert world.logged("fallback 999: 999 is outside") and world.seen(sip.Ended)


def test_a_script_that_dies_while_it_rings_is_apologised_for(world: Phones, desk: Desk) -> None:
    world.ring_ben()
    world.ben.ring()
    world.script_ends("killed", "CPU", is_fault=True)
    assert [event.reason for event in world.ben.of(sip.Ended)] == ["cancel"]
    assert desk.spoken[-1][1] == APOLOGY and desk.of_kind(media.Unbridge)
