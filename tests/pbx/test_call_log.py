"""What the log of a call says of it, and at which level; whose voice it speaks with."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from world import World

from ivrnode.media import messages as media
from ivrnode.script import messages as script
from ivrnode.script.end import ScriptEnd

if TYPE_CHECKING:
    from recording_desk import Desk


@pytest.fixture
def world(tmp_path: Path, desk: Desk) -> World:
    world = World(tmp_path, desk, 'access = "public"\n[nodes.700]\n[nodes.700.voices]\nde = "anna"\n')
    world.call()
    return world


def lines(world: World, category: str, part: str) -> list[int]:
    return [entry.level for entry in world.lines if entry.category == category and part in entry.text]


def test_each_api_call_is_a_line_of_level_9(world: World) -> None:
    world.act(
        script.Play(1, "pcm16", 8000, b"\0" * 320, "t"),
        script.Stream("g711_ulaw"),
        script.Request(1, "teleport"),
        script.OpenSocket(1, "ws://192.0.2.7/", (), True, 10),
        script.SendSocket(1, "hello"),
    )
    for part in ("play 1 pcm16 320 bytes t", "Stream(", "request 1 'teleport'", "socket 1 connect", "send 5"):
        assert lines(world, "SCRIPT", part) == [9]


def test_the_life_of_a_script_is_at_level_5(world: World) -> None:
    world.script_ends("finished")
    assert lines(world, "SCRIPT", "start ") == lines(world, "SCRIPT", "script finished") == [5]
    assert lines(world, "SCRIPT", "node template, no version yet") == [5]


def test_below_level_9_no_api_call_is_a_line(world: World) -> None:
    world.core.house.log.set_level("SCRIPT", 8)
    world.act(script.Play(1, "pcm16", 8000, b"\0" * 320))
    assert not lines(world, "SCRIPT", "play")


def test_what_the_queue_has_no_room_for_is_told(world: World, desk: Desk) -> None:
    world.act(script.Play(7, "pcm16", 8000, b"\0\0"))
    world.tell(media.ItemDone(world.leg, 7, 0, True, "queue full"))
    assert script.PlaybackDone(7, 0, True, "queue full") in desk.told
    assert lines(world, "SCRIPT", "queue full") == [2]


def test_sound_that_a_slow_script_lost_is_told(world: World) -> None:
    world.core.script_ended(world.name, ScriptEnd("finished", "", False, 12), world.now)
    assert lines(world, "MEDIA", "12 chunks of sound were dropped") == [3]


def test_lines_beyond_the_quota_are_dropped_and_that_is_told_once(tmp_path: Path, desk: Desk) -> None:
    tenant = 'access = "public"\n[quotas]\nlog_lines_per_second = 3\n[nodes.700]\n'
    world = World(tmp_path, desk, tenant)
    world.core.house.log.set_level("SCRIPT", 5)
    world.call()
    for _ in range(2):
        world.act(*[script.Log(5, "spam")] * 6)
        world.now += 2
    assert lines(world, "SCRIPT", "spam") == [5] * 6
    assert lines(world, "SCRIPT", "quota log_lines_per_second: 3 are used up: lines of the log are dropped") == [2] * 2


def test_the_first_64_keys_wait_for_who_listens(world: World, desk: Desk) -> None:
    for number in range(70):
        world.tell(media.Digit(world.leg, "0123456789"[number % 10]))
    world.act(script.ListenDigits(True))
    assert len(desk.told) == 64


@pytest.mark.parametrize(
    ("said", "voice"),
    [
        (script.Say(1, "Hallo.", "de"), "anna"),
        (script.Say(1, "Hallo.", "de", "bert"), "bert"),
        (script.Say(1, "Hello.", "en"), ""),
    ],
)
def test_the_node_has_a_voice_for_each_language(world: World, desk: Desk, said: script.Say, voice: str) -> None:
    world.act(said)
    assert [spoken[-1] for spoken in desk.spoken] == [voice]


@pytest.mark.parametrize(("seconds", "is_over"), [(50, False), (60, True)])
def test_a_minute_without_a_packet_ends_the_call(world: World, seconds: int, is_over: bool) -> None:
    world.tell(media.NoRtp(world.leg, seconds))
    assert lines(world, "MEDIA", f"no RTP for {seconds} s") == [3]
    assert bool(lines(world, "APP", "ended: no_audio")) is is_over
