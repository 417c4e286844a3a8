"""The life of a call on virtual time: answered, on hold, hung up by each side, given up, cut off."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from world import AT_PHONE, World, sdp

from ivrnode.media import messages as media
from ivrnode.pbx.call.call import APOLOGY, TONE
from ivrnode.pbx.service_table import offer_services
from ivrnode.script import messages as script
from ivrnode.sip import events as sip
from ivrnode.sip.address import NameAddr
from ivrnode.sip.digest import Credentials
from ivrnode.sip.uri import Uri

if TYPE_CHECKING:
    from recording_desk import Desk


@pytest.fixture
def world(tmp_path: Path, desk: Desk) -> World:
    return World(tmp_path, desk)


def test_an_invite_is_answered_and_the_ack_starts_the_sound(world: World, desk: Desk) -> None:
    world.call()
    [accepted] = world.seen(sip.Accepted)
    assert b"m=audio 40000 RTP/AVP 0 101" in accepted.body
    [connect] = desk.of_kind(media.Connect)
    assert (connect.remote, connect.codec, connect.digit_payload_type) == (("192.0.2.9", 4000), "PCMU", 101)
    assert len(desk.of_kind(media.Start)) == 1
    [boot] = desk.scripts.values()
    assert boot.source == "call.say('Hello.')"
    assert (boot.facts.caller, boot.facts.called, boot.facts.caller_name) == ("40", "700", "Ann")
    assert (boot.facts.lang, boot.facts.tenant, boot.facts.node) == ("en", "localhost", "700")


def test_the_caller_hangs_up(world: World, desk: Desk) -> None:
    session = world.call()
    world.act(script.OpenSocket(1, "ws://192.0.2.7/", (), True, 10), script.Stream("g711_ulaw", stream=3))
    session.hangup(world.now)
    world.exchange()
    assert len(desk.of_kind(media.Close)) == 1
    assert not [event for event in desk.told if isinstance(event, script.HungUp)]
    assert desk.of_kind(media.Stream)[-1].stream == 3
    world.tell(media.Audio(world.leg, b"last", 3))
    world.close()
    assert desk.told[-2:] == [script.AudioHeard(b"last", 3), script.HungUp("caller", 5.0)]
    world.act(script.Wait(None, 0))
    assert desk.closed == [(1, 1001, "call ended")]
    world.core.socket_closed((world.name, 1), 1001, "call ended")
    world.act(script.Finished())
    assert desk.killed
    world.script_ends("finished")
    assert not world.core.calls


def test_a_script_that_will_not_finish_is_killed_after_the_grace(world: World, desk: Desk) -> None:
    world.call()
    world.act(script.OpenSocket(1, "ws://192.0.2.7/", (), True, 10), script.Hangup())
    world.close()
    world.act(script.Wait(None, 1))  # a handler that waits
    world.wait(0.9)
    assert not desk.closed
    world.wait(0.2)
    assert desk.closed == [(1, 1001, "call ended")]
    world.wait(3.8)
    assert not desk.killed
    world.wait(0.2)
    assert desk.killed


def test_hangup_ends_the_far_end_too_and_only_once(world: World) -> None:
    world.call()
    world.act(script.Hangup(), script.Hangup(), script.Hangup(is_drained=True))
    assert [event.reason for event in world.seen(sip.Ended)] == ["bye"]
    assert len(world.logged("ended: script")) == 1


def test_a_script_is_woken_by_the_last_thing_that_could_happen(world: World, desk: Desk) -> None:
    """It may not wait for the end of the sound: without news it would sleep to the end of the call."""
    world.call()
    world.act(script.Play(1, "pcm16", 8000, b"\0\0"), script.Play(2, "pcm16", 8000, b"\0\0"), script.Wait(None, 0))
    world.tell(media.ItemDone(world.leg, 1, 100))
    assert desk.told[-1] == script.PlaybackDone(1, 100, False, "")
    world.tell(media.ItemDone(world.leg, 2, 100))
    assert desk.told[-2:] == [script.PlaybackDone(2, 100, False, ""), script.Wake()]


def test_a_drained_hangup_waits_for_the_last_word(world: World) -> None:
    world.call()
    world.act(script.Play(1, "pcm16", 8000, b"\0\0"), script.Hangup(is_drained=True))
    assert not world.seen(sip.Ended)
    world.tell(media.ItemDone(world.leg, 1, 100))
    assert world.seen(sip.Ended)


def test_a_drained_hangup_waits_for_30_s_at_most(world: World) -> None:
    world.call()
    world.act(script.Play(1, "pcm16", 8000, b"\0\0"), script.Hangup(is_drained=True))
    world.wait(29.9)
    assert not world.seen(sip.Ended)
    world.wait(0.2)
    assert world.seen(sip.Ended)


@pytest.mark.parametrize(
    "busy",
    [
        script.Stream("g711_ulaw"),
        script.ListenDigits(True),
        script.Play(1, "pcm16", 8000, b"\0\0"),
        script.OpenSocket(1, "ws://192.0.2.7/", (), True, 10),
        script.Ask(1, "queued"),
    ],
    ids=lambda action: type(action).__name__,
)
def test_a_script_with_nothing_left_is_hung_up_but_not_before(world: World, busy: script.Action) -> None:
    world.call()
    world.act(busy, script.Wait(None, 0))
    assert not world.seen(sip.Ended)
    world.act(script.Stream(""), script.ListenDigits(False))
    world.tell(media.ItemDone(world.leg, 1, 20))
    world.tell(media.Answer(world.leg, 1, 0))
    world.core.socket_closed((world.name, 1), 1000, "")
    world.act(script.Wait(30.0, 0))
    world.act(script.Wait(None, 1))
    assert not world.seen(sip.Ended)
    world.act(script.Wait(None, 0))
    assert world.logged("ended: finished")


def test_a_timer_of_the_script_wakes_it_once_and_in_time(world: World, desk: Desk) -> None:
    world.call()
    world.act(script.Wait(1.0, 0))
    world.wait(0.9)
    assert script.Wake() not in desk.told
    world.wait(0.2)
    world.wait(2.0)
    assert desk.told.count(script.Wake()) == 1


def test_a_timer_that_is_told_again_and_again_stays_one(world: World, desk: Desk) -> None:
    """A script says with every answer how long it can wait."""
    world.call()
    world.act(script.Wait(1.0, 0))
    world.wait(0.5)
    world.act(script.Wait(0.4995, 0))
    world.wait(0.6)
    assert desk.told.count(script.Wake()) == 1
    world.act(script.Wait(0.0, 0))  # the same moment, but that one is over
    world.wait(0.1)
    assert desk.told.count(script.Wake()) == 2
    world.act(script.Wait(1.0, 0), script.Wait(0.5, 0))
    world.wait(0.6)
    assert desk.told.count(script.Wake()) == 3


def test_hold_and_resume_change_the_direction_only(world: World, desk: Desk) -> None:
    session = world.call()
    for version, (theirs, ours) in enumerate(
        [("sendonly", "recvonly"), ("inactive", "inactive"), ("sendrecv", "sendrecv")]
    ):
        session.reinvite(sdp(theirs, version + 2), world.now)
        world.exchange()
        assert desk.of_kind(media.Connect)[-1].direction == ours
        assert f"a={ours}".encode() in world.seen(sip.Accepted)[-1].body
    assert len(desk.of_kind(media.Open)) == 1


def test_a_refused_re_invite_leaves_the_media_as_they_were(world: World, desk: Desk) -> None:
    session = world.call()
    count = len(desk.of_kind(media.Connect))
    session.reinvite(sdp(version=2).replace(b"RTP/AVP 0 101", b"RTP/AVP 18"), world.now)
    world.exchange()
    assert [event.status for event in world.seen(sip.ReinviteRefused)] == [488]
    assert len(desk.of_kind(media.Connect)) == count and world.core.calls


def test_an_offer_that_cannot_be_met_is_488(world: World, desk: Desk) -> None:
    world.invite(body=sdp().replace(b"RTP/AVP 0 101", b"RTP/AVP 18"))
    world.opened()
    assert [event.status for event in world.seen(sip.Rejected)] == [488]
    assert desk.of_kind(media.Close) and not desk.scripts and not world.core.calls


def test_a_late_offer_is_answered_in_the_ack(world: World, desk: Desk) -> None:
    session = world.invite(body=b"")
    world.opened()
    [accepted] = world.seen(sip.Accepted)
    assert accepted.is_offer and b"m=audio 40000 RTP/AVP 0 8 9 101" in accepted.body
    assert not desk.of_kind(media.Connect)
    session.accept(sdp(), world.now)
    world.exchange()
    assert desk.of_kind(media.Connect)[0].codec == "PCMU"
    assert desk.of_kind(media.Start)


def test_cancel_before_the_answer_leaves_nothing(world: World, desk: Desk) -> None:
    session = world.invite()
    world.wait(0.3)
    session.hangup(world.now)
    world.exchange()
    world.close()
    assert desk.of_kind(media.Close) and not desk.scripts and not world.core.calls


def test_no_port_free_is_503(world: World) -> None:
    world.invite()
    world.tell(media.OpenFailed(world.leg, "no RTP port free in 10000-10001"))
    assert [event.status for event in world.seen(sip.Rejected)] == [503]
    assert world.logged("no RTP port free") and not world.core.calls


def test_an_engine_that_hangs_is_503_and_no_silence(world: World, desk: Desk) -> None:
    world.invite()
    world.wait(4.9)
    assert not world.seen(sip.Rejected)
    world.wait(0.2)
    assert [event.status for event in world.seen(sip.Rejected)] == [503] and not world.core.calls
    assert desk.of_kind(media.Close) and world.logged("the engine has not opened a leg within 5 s")
    leg = world.leg
    world.tell(media.Opened(leg, ("0.0.0.0", 40_000)))
    world.tell(media.Closed(leg))
    assert not world.seen(sip.Accepted) and not desk.scripts


def test_early_digits_are_kept_for_who_listens_later(world: World, desk: Desk) -> None:
    session = world.call()
    world.tell(media.Digit(world.leg, "1"))
    session.send_info("application/dtmf-relay", b"Signal=2\r\nDuration=160\r\n", world.now)
    world.exchange()
    assert not desk.told
    world.act(script.ListenDigits(True))
    session.send_info("application/dtmf", b"11", world.now)
    world.exchange()
    assert desk.told == [script.DigitPressed(digit) for digit in "12#"]


def test_no_sound_for_60_s_ends_the_call(world: World) -> None:
    world.call()
    world.tell(media.NoRtp(world.leg, 10))
    assert world.logged("no RTP for 10 s") and not world.seen(sip.Ended)
    world.tell(media.NoRtp(world.leg, 60))
    assert world.logged("ended: no_audio") and world.seen(sip.Ended)


def test_the_longest_call_ends(tmp_path: Path, desk: Desk) -> None:
    world = World(tmp_path, desk, 'access = "public"\nmax_duration = 30\n[nodes.700]\n')
    world.call()
    world.wait(29.5, step=0.5)
    assert not world.seen(sip.Ended)
    world.wait(1.0)
    assert world.logged("ended: max_duration")


def test_a_fatal_failure_is_apologised_for_in_the_callers_language(world: World, desk: Desk) -> None:
    world.call()
    world.act(script.SetLang("de"), script.Play(1, "pcm16", 8000, b"\0\0"), script.Failed("Traceback ...", 3, True))
    assert desk.killed and desk.of_kind(media.Mute)
    [(_, item, text, lang, _)] = desk.spoken
    assert (item, lang) == (APOLOGY, "de") and text.startswith("Es tut uns leid")
    world.script_ends("killed")
    world.tell(media.ItemDone(world.leg, 1, 0, True))
    assert not world.seen(sip.Ended)
    world.tell(media.ItemDone(world.leg, APOLOGY, 3000))
    assert world.logged("ended: error") and world.seen(sip.Ended)
    world.close()
    assert not world.core.calls


def test_when_even_speech_fails_a_tone_is_heard(world: World, desk: Desk) -> None:
    world.call()
    world.script_ends("killed", "CPU", is_fault=True)
    world.core.speech_failed(world.name, APOLOGY, "no voice")
    world.tell(media.ItemDone(world.leg, APOLOGY, 0, True, "no voice"))
    assert desk.of_kind(media.Play)[-1].item == TONE
    world.tell(media.ItemDone(world.leg, TONE, 990))
    assert world.logged("ended: error")


def test_speech_that_does_not_come_is_skipped_after_10_s(world: World, desk: Desk) -> None:
    world.call()
    world.act(script.Say(1, "Hello.", "en"))
    world.wait(9.9)
    assert not desk.of_kind(media.Fail)
    world.wait(0.2)
    assert desk.of_kind(media.Fail)[0].item == 1


def test_a_broken_template_is_apologised_for(world: World, desk: Desk) -> None:
    world.template.write_text("def broken(:", "utf-8")
    world.call()
    assert not desk.scripts and desk.spoken[0][1] == APOLOGY
    assert world.logged("ivrnode.py:1")[0].level == 1


def test_an_error_of_a_handler_lets_the_call_go_on(world: World, desk: Desk) -> None:
    world.call()
    world.act(script.Failed("ZeroDivisionError", 7, False))
    assert world.logged("ZeroDivisionError")[-1].level == 1
    assert not desk.killed and not world.seen(sip.Ended)


def test_the_engines_death_ends_its_calls(world: World) -> None:
    world.call()
    world.core.media_died(world.now)
    world.exchange()
    assert world.seen(sip.Ended)
    world.wait(1.2)
    assert world.desk.told[-1] == script.HungUp("error", 5.0)


def test_one_call_too_many_for_the_node_is_503(tmp_path: Path, desk: Desk) -> None:
    world = World(tmp_path, desk, max_calls=1)
    world.call()
    world.invite()
    assert [event.status for event in world.seen(sip.Rejected)] == [503]


def test_a_request_is_answered_once_and_keeps_the_call_up(world: World, desk: Desk) -> None:
    asked: list[script.Request] = []
    world.core.services["echo"] = lambda call, request, now: asked.append(request)
    world.call()
    world.act(script.Request(1, "echo", {"text": "hi"}), script.Wait(None, 0))
    assert asked and not world.seen(sip.Ended)
    call = world.core.calls[world.name]
    call.reply(1, "hi")
    call.reply(1, "again")
    assert desk.told == [script.Reply(1, "hi")]
    world.act(script.Wait(None, 0))
    assert world.logged("ended: finished")


def test_an_unknown_service_is_an_error_to_the_script(world: World, desk: Desk) -> None:
    world.call()
    world.act(script.Request(1, "teleport"))
    assert desk.told == [script.Reply(1, error="teleport is no service of this core")]


def test_a_timer_still_wakes_the_script_in_its_grace(world: World, desk: Desk) -> None:
    world.call()
    world.act(script.Hangup())
    world.close()
    world.act(script.Wait(0.5, 1))
    world.wait(0.4)
    assert script.Wake() not in desk.told
    world.wait(0.2)
    assert script.Wake() in desk.told


def test_a_malformed_offer_is_refused(world: World) -> None:
    world.invite(body=b"no sdp at all")
    assert [event.status for event in world.seen(sip.Rejected)] in ([400], [488])
    assert world.logged("refused sip:40@192.0.2.9")


def test_a_fault_of_ours_at_the_door_is_500_and_no_silence(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def admit(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(world.core._reception, "admit", admit)
    with pytest.raises(ZeroDivisionError):
        world.invite()
    world.wait(0.1)
    assert [event.status for event in world.seen(sip.Rejected)] == [500]


def test_who_speaks_no_language_of_ours_hears_english(tmp_path: Path, desk: Desk) -> None:
    world = World(tmp_path, desk, 'access = "public"\nlanguage = "nl"\n[nodes.700]\n')
    world.call()
    world.act(script.Failed("Traceback ...", 3, True))
    [(_, item, text, lang, _)] = desk.spoken
    assert (item, lang) == (APOLOGY, "en") and text.startswith("We are sorry")


def test_a_script_that_could_not_start_is_told_to_the_operator(world: World) -> None:
    world.call()
    world.script_ends("start_failed", "not ready in 2 s")
    assert world.logged("script start_failed: not ready in 2 s")[0].level == 1


def test_an_account_is_called_by_its_own_name(tmp_path: Path, desk: Desk) -> None:
    world = World(tmp_path, desk, '[accounts.40]\npassword = "correct horse"\ndisplay = "Ann"\n[nodes.700]\n')
    world.phone.invite(
        Uri.parse("sip:700@192.0.2.1"),
        AT_PHONE,
        world.now,
        from_=NameAddr("The Boss", Uri.parse("sip:1@192.0.2.9")),
        body=sdp(),
        credentials=Credentials("40", "correct horse"),
    )
    world.exchange()
    world.opened()
    [boot] = desk.scripts.values()
    assert (boot.facts.caller, boot.facts.caller_name) == ("40", "Ann")


def test_keys_are_pressed_towards_a_far_end_that_takes_them(world: World, desk: Desk) -> None:
    offer_services(world.core)
    world.call()
    world.act(script.Request(1, "press", {"keys": "12#a"}), script.Request(2, "press", {"keys": "1x"}))
    assert desk.of_kind(media.SendDigits) == [media.SendDigits(world.leg, "12#A")]
    replies = [event for event in desk.told if isinstance(event, script.Reply)]
    assert [(reply.request, bool(reply.error)) for reply in replies] == [(1, False), (2, True)]


def test_no_keys_for_a_far_end_that_takes_none(world: World, desk: Desk) -> None:
    offer_services(world.core)
    world.invite(body=sdp().replace(b"RTP/AVP 0 101", b"RTP/AVP 0"))
    world.opened()
    world.act(script.Request(0, "press", {"keys": "1"}))
    assert not desk.of_kind(media.SendDigits)
    assert world.logged("the far end takes no keys")[0].level == 2
