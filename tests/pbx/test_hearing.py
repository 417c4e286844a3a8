"""What the script hears of its caller, and what is recorded: keys, speech, gates, and every end of a recording."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from world import TENANT, World

from ivrnode.media import messages as media
from ivrnode.pbx.house.http_messages import HttpRequest
from ivrnode.pbx.house.prompt import Prompt
from ivrnode.pbx.service_table import offer_services
from ivrnode.script import messages as script

if TYPE_CHECKING:
    from pathlib import Path

    from recording_desk import Desk, Tape


@pytest.fixture
def world(tmp_path: Path, desk: Desk) -> World:
    world = World(tmp_path, desk, TENANT + "rec = true\n")
    offer_services(world.core)
    world.call()
    world.act(script.Ready())
    return world


def record(world: World, **wish: Any) -> Tape:
    world.act(script.Request(7, "record", {"number": 1, **wish}))
    return world.desk.recorded[-1]  # type: ignore[no-any-return]


def recorded(world: World, seconds: float = 1.0, *, is_last: bool = False) -> None:
    part = bytes(round(16_000 * seconds))
    world.tell(media.Recorded(world.leg, part, part, is_last))


def told(world: World) -> list[script.Told]:
    return [event for event in world.desk.told if isinstance(event, script.Told)]


def replies(world: World) -> list[script.Reply]:
    return [event for event in world.desk.told if isinstance(event, script.Reply)]


def switches(world: World) -> list[bool]:
    return [command.is_on for command in world.desk.of_kind(media.Record)]


# Recording.


def test_a_recording_has_a_name_at_once_and_its_facts_at_the_end(world: World) -> None:
    tape = record(world, channels=1)
    assert replies(world) == [script.Reply(7, f"{world.name}-1")]
    assert (tape.id, tape.channels, switches(world)) == (f"{world.name}-1", 1, [True])
    recorded(world, 1.5)
    world.act(script.Request(0, "record.stop", {"id": tape.id}))
    assert switches(world) == [True, False]
    assert not told(world)  # its last part is still to come
    recorded(world, 0.05, is_last=True)
    assert told(world) == [script.Told(7, "recorded", {"seconds": 1.55, "reason": "stopped"})]
    assert (len(tape.heard), len(tape.said)) == (24_800, 24_800)
    assert {key: tape.facts[key] for key in ("id", "tenant", "node", "caller", "seconds", "reason", "channels")} == {
        "id": tape.id,
        "tenant": "localhost",
        "node": "700",
        "caller": "40",
        "seconds": 1.55,
        "reason": "stopped",
        "channels": 1,
    }


def test_a_node_that_must_not_record_does_not(tmp_path: Path, desk: Desk) -> None:
    world = World(tmp_path, desk)
    offer_services(world.core)
    world.call()
    world.act(script.Request(7, "record", {"number": 1}))
    assert "rec" in replies(world)[0].error
    assert not desk.recorded and not desk.of_kind(media.Record)


def test_max_seconds_are_counted_in_sound_and_exact(world: World) -> None:
    tape = record(world, max_seconds=2.5)
    for _ in range(5):
        recorded(world)
    assert switches(world) == [True, False]
    recorded(world, 0.1, is_last=True)
    assert told(world)[-1].arguments == {"seconds": 2.5, "reason": "max"}
    assert len(tape.heard) == 40_000


def test_the_key_that_ends_it_goes_nowhere_else(world: World) -> None:
    world.act(script.ListenDigits(True))
    record(world, finish="*#")
    for key in "1#2":
        world.tell(media.Digit(world.leg, key))
    recorded(world, is_last=True)
    assert [event.digit for event in world.desk.told if isinstance(event, script.DigitPressed)] == ["1", "2"]
    assert told(world)[-1].arguments["reason"] == "finish"


def test_silence_ends_it_counted_from_the_last_word(world: World) -> None:
    record(world, silence=3)
    assert world.desk.of_kind(media.Watch) == [media.Watch(world.leg, is_on=True)]
    world.wait(2)
    world.tell(media.Speech(world.leg, is_speech=True))
    world.wait(10)
    world.tell(media.Speech(world.leg, is_speech=False, quiet_ms=500))
    world.wait(2.4)
    assert switches(world) == [True]
    world.wait(0.2)
    assert switches(world) == [True, False]
    recorded(world, is_last=True)
    assert told(world)[-1].arguments["reason"] == "silence"
    assert world.desk.of_kind(media.Watch)[-1] == media.Watch(world.leg, is_on=False)


def test_who_never_speaks_ends_it_by_that(world: World) -> None:
    record(world, silence=3)
    world.wait(3.1)
    assert switches(world) == [True, False]


def test_another_recording_ends_the_first_and_each_gets_its_own_sound(world: World) -> None:
    first = record(world)
    recorded(world, 1)
    second = record(world, number=2)
    assert switches(world) == [True, False, True]
    recorded(world, 0.5, is_last=True)
    recorded(world, 0.25)
    assert (len(first.heard), len(second.heard)) == (24_000, 4_000)
    assert first.facts["reason"] == "stopped"
    assert not second.facts


def test_the_end_of_the_call_ends_it_before_the_script_hears_of_that(world: World) -> None:
    tape = record(world)
    recorded(world)
    world.core.hangup(world.name, world.now)
    recorded(world, 0.02, is_last=True)
    world.close()
    assert tape.facts["reason"] == "hangup"
    assert tape.facts["seconds"] == 1.02
    kinds = [type(event) for event in world.desk.told]
    assert kinds.index(script.Told) < kinds.index(script.HungUp)


def test_an_engine_that_says_nothing_more_leaves_no_recording_open(world: World) -> None:
    tape = record(world)
    recorded(world)
    world.core.hangup(world.name, world.now)
    world.wait(1.1)
    assert (tape.facts["reason"], tape.facts["seconds"]) == ("hangup", 1.0)


def test_a_disk_that_fails_ends_it_with_an_error(world: World) -> None:
    tape = record(world)
    tape.failed("cannot be written: No space left on device")
    recorded(world, is_last=True)
    assert told(world)[-1].arguments["reason"] == "error"
    assert world.logged("No space left")


def test_a_call_that_records_has_something_left(world: World) -> None:
    record(world)
    world.act(script.Wait(None, 0))
    assert not world.logged("ended")
    world.act(script.Request(0, "record.stop", {"id": f"{world.name}-1"}))
    recorded(world, is_last=True)
    world.act(script.Wait(None, 0))
    assert world.logged("ended: finished")


@pytest.mark.parametrize(
    "wish",
    [
        {"channels": 3},
        {"max_seconds": 0},
        {"max_seconds": 1e9},
        {"silence": -1},
        {"finish": "x"},
        {"finish": 5},
        {"number": 0},
        {"number": 101},
        {"number": "1"},
        {"channels": True},
    ],
)
def test_a_hostile_wish_is_refused(world: World, wish: dict[str, Any]) -> None:
    world.act(script.Request(7, "record", {"number": 1} | wish))
    assert replies(world)[0].error
    assert not world.desk.recorded


# Speech, and a stream without silence.


def test_speech_is_told_to_who_asked_for_it(world: World) -> None:
    world.tell(media.Speech(world.leg, is_speech=True))
    assert not told(world)
    world.act(script.Request(9, "speech"))
    assert replies(world) == [script.Reply(9)]
    world.tell(media.Speech(world.leg, is_speech=True))
    world.tell(media.Speech(world.leg, is_speech=False, quiet_ms=500))
    assert told(world) == [
        script.Told(9, "speech", {"speaking": True}),
        script.Told(9, "speech", {"speaking": False}),
    ]
    world.act(script.Wait(None, 0))
    assert world.logged("ended: finished")


def test_the_gate_is_passed_on_and_its_saving_is_told(world: World) -> None:
    world.act(script.Stream("g711_ulaw", 8000, 60, 300, 800))
    assert world.desk.of_kind(media.Stream) == [media.Stream(world.leg, "g711_ulaw", 8000, 60, 300, 800)]
    world.tell(media.Withheld(world.leg, 1200, 9600))
    world.tell(media.Withheld(world.leg, 300, 2400))
    assert [event.arguments for event in told(world)] == [{"ms": 1200}, {"ms": 1500}]
    assert world.logged("1.2 s (9600 bytes) were not handed over")


# Files of sound.


def play(world: World, url: str, **more: Any) -> None:
    world.act(script.Request(0, "play", {"item": 1, "url": url, **more}))


def test_a_prompt_takes_its_place_at_once(world: World) -> None:
    play(world, "prompt:hello", tag="t")
    world.act(script.Play(2, "g711_ulaw", 8000, b"x"))
    world.core.spoken(world.name, 1, b"\0\0", 8000, is_last=True)
    assert [(play.item, play.is_last, play.tag) for play in world.desk.of_kind(media.Play)] == [
        (1, False, "t"),
        (2, True, ""),
        (1, True, ""),
    ]
    assert world.desk.loaded == [(1, Prompt("localhost", "700", "hello"))]


def test_a_web_server_is_asked_as_for_any_request(world: World) -> None:
    play(world, "https://h.example/a.wav?x=1")
    [(item, source)] = world.desk.loaded
    assert isinstance(source, HttpRequest)
    assert (item, source.method, source.url, source.longest) == (1, "GET", "https://h.example/a.wav?x=1", 10 << 20)


def test_background_stays_in_the_background(world: World) -> None:
    play(world, "prompt:music", background=True)
    world.core.spoken(world.name, 1, b"\0\0", 8000, is_last=True)
    assert [play.is_background for play in world.desk.of_kind(media.Play)] == [True, True]
    world.act(script.Wait(None, 0))
    assert world.logged("ended: finished")


@pytest.mark.parametrize(
    "url", ["http://h/a", "https:///a", "https://[", "file:///etc/passwd", "prompt:", "prompt:../x", "prompt:a/b"]
)
def test_a_url_that_leads_elsewhere_is_an_error_of_its_item(world: World, url: str) -> None:
    play(world, url)
    [fail] = world.desk.of_kind(media.Fail)
    assert fail.item == 1
    assert not world.desk.loaded


@pytest.mark.parametrize("wrong", [{"item": 0}, {"item": 1 << 30}, {"item": "1"}, {"url": 7}, {"background": 1}])
def test_a_hostile_play_does_nothing(world: World, wrong: dict[str, Any]) -> None:
    world.act(script.Request(0, "play", {"item": 1, "url": "prompt:a", **wrong}))
    assert not world.desk.of_kind(media.Play) and not world.desk.loaded
    assert world.logged("call.play")


def test_what_does_not_come_in_time_is_skipped(world: World) -> None:
    play(world, "prompt:slow")
    world.wait(10.1)
    [fail] = world.desk.of_kind(media.Fail)
    assert (fail.item, fail.error) == (1, "no sound within 10 s")
    assert world.desk.hushed == [1]


def test_mute_calls_the_reading_off(world: World) -> None:
    play(world, "prompt:hello")
    world.act(script.Ask(3, "mute"))
    assert world.desk.hushed == [1]


@pytest.mark.parametrize("is_on", [True, False])
def test_keys_in_tones_where_the_node_says_so(tmp_path: Path, desk: Desk, is_on: bool) -> None:
    world = World(tmp_path, desk, TENANT + f"inband_dtmf = {str(is_on).lower()}\n")
    world.call()
    assert desk.of_kind(media.HearKeys) == [media.HearKeys(world.leg)] * is_on
