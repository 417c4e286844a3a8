"""The order of sound is the script's order, whatever is ready first; nothing is spoken after a mute."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ivrnode.media import messages as media
from ivrnode.pbx.call.sound import Sound
from ivrnode.script import messages as script

if TYPE_CHECKING:
    from recording_desk import Desk


@pytest.fixture
def sound(desk: Desk) -> Sound:
    return Sound("call", 7, "localhost", desk, desk.told.append)


def test_say_takes_its_place_at_once(desk: Desk, sound: Sound) -> None:
    sound.say(script.Say(1, "Hello.", "en"), "")
    sound.play(script.Play(2, "g711_ulaw", 8000, b"\xff" * 160))
    sound.spoken(1, b"\x00" * 320, 16000, is_last=False)
    sound.spoken(1, b"", 8000, is_last=True)
    plays = desk.of_kind(media.Play)
    assert [(play.item, play.is_last) for play in plays] == [(1, False), (2, True), (1, False), (1, True)]
    assert desk.spoken == [("call", 1, "Hello.", "en", "")]


def test_empty_text_is_done_without_speech(desk: Desk, sound: Sound) -> None:
    sound.say(script.Say(1, "  ", "en"), "")
    assert desk.of_kind(media.Play)[0].is_last and not desk.spoken


def test_mute_ends_the_speech_that_is_still_to_come(desk: Desk, sound: Sound) -> None:
    sound.say(script.Say(1, "Hello.", "en"), "")
    sound.ask(script.Ask(5, "mute"))
    sound.spoken(1, b"\x00" * 320, 16000, is_last=False)
    assert desk.hushed == [1]
    assert len(desk.of_kind(media.Play)) == 1
    assert desk.of_kind(media.Mute) == [media.Mute(7, 5)]
    sound.answered(5, 120)
    assert desk.told == [script.Result(5, 120)]


def test_speech_that_fails_is_an_error_of_its_item_alone(desk: Desk, sound: Sound) -> None:
    sound.say(script.Say(1, "Hello.", "en"), "")
    sound.speech_failed(1, "no voice")
    sound.speech_failed(2, "unknown item")
    assert desk.of_kind(media.Fail) == [media.Fail(7, 1, "no voice")]
    sound.item_done(media.ItemDone(7, 1, 0, True, "no voice"))
    assert desk.told == [script.PlaybackDone(1, 0, True, "no voice")]
    assert sound.is_empty


def test_questions_are_answered_after_the_end_too(desk: Desk, sound: Sound) -> None:
    sound.play(script.Play(1, "pcm16", 8000, b"\x00\x00"))
    sound.ask(script.Ask(2, "tag", "answer"))
    sound.close()
    sound.ask(script.Ask(3, "mute"))
    sound.play(script.Play(4, "pcm16", 8000, b"\x00\x00"))
    assert desk.told == [
        script.Result(2, 0),
        script.PlaybackDone(1, 0, True, ""),
        script.Result(3, 0),
        script.PlaybackDone(4, 0, True, ""),
    ]
    assert sound.is_empty


def test_an_unknown_question_is_an_error_to_the_script(desk: Desk, sound: Sound) -> None:
    sound.ask(script.Ask(2, "weather"))
    assert desk.told == [script.Result(2, error="unknown question 'weather'")]
