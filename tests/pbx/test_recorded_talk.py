"""A recording while its caller talks with somebody else: it goes on, and ends with what it was begun for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from two_phones import Phones

from ivrnode.media import messages as media
from ivrnode.pbx.service_table import offer_services
from ivrnode.script import messages as script

if TYPE_CHECKING:
    from pathlib import Path

    from recording_desk import Desk

RECORDING = 90


@pytest.fixture
def world(tmp_path: Path, desk: Desk) -> Phones:
    world = Phones(tmp_path, desk, "rec = true")
    offer_services(world.core)
    world.ben.register("120", "correct horse")
    world.call()
    return world


def record(world: Phones, **wish: object) -> None:
    world.act(script.Request(RECORDING, "record", {"number": 1, **wish}))


def connect(world: Phones, what: str = "transfer", dest: str = "120") -> None:
    world.ask(what, dest=dest)
    if dest == "120":
        world.opened()
        world.ben.accept()


def heard(world: Phones, *, is_last: bool = False) -> None:
    world.tell(media.Recorded(world.first_leg, bytes(1600), bytes(1600), is_last))


def test_it_goes_on_after_a_transfer_until_the_two_part(world: Phones, desk: Desk) -> None:
    record(world)
    connect(world)
    assert desk.of_kind(media.Clear) == [media.Clear(world.first_leg, keeps_recording=True)]
    world.tell(media.Cleared(world.first_leg))
    world.script_ends("finished")
    heard(world)
    [tape] = desk.recorded
    assert len(tape.heard) == 1600 and not tape.facts
    world.ben.hangup()
    heard(world, is_last=True)
    world.engine_answers()
    assert (tape.facts["reason"], len(tape.heard)) == ("hangup", 3200)
    assert not world.core.calls


def test_its_longest_time_counts_on(world: Phones, desk: Desk) -> None:
    record(world, max_seconds=0.2)
    connect(world)
    world.tell(media.Cleared(world.first_leg))
    world.script_ends("finished")
    heard(world)
    heard(world)
    assert desk.of_kind(media.Record)[-1] == media.Record(world.first_leg, is_on=False)
    heard(world, is_last=True)
    assert desk.recorded[0].facts["reason"] == "max"


def test_another_node_is_not_recorded_by_the_first(world: Phones, desk: Desk) -> None:
    record(world)
    connect(world, dest="701")
    assert desk.of_kind(media.Clear) == [media.Clear(world.first_leg)]
    heard(world, is_last=True)
    world.tell(media.Cleared(world.first_leg))
    assert desk.recorded[0].facts["reason"] == "hangup"
    heard(world)
    assert len(desk.recorded[0].heard) == 1600


def test_a_dial_is_in_it(world: Phones, desk: Desk) -> None:
    record(world)
    connect(world, "dial")
    heard(world)
    world.ben.hangup()
    heard(world)
    assert len(desk.recorded[0].heard) == 3200 and not desk.recorded[0].facts


def test_an_engine_that_does_not_answer_ends_it_before_the_script_is_told(world: Phones, desk: Desk) -> None:
    record(world)
    world.core.media_died(world.now)
    world.wait(1.1)
    assert desk.recorded[0].facts["reason"] == "hangup"
    kinds = [type(event) for event in desk.told]
    assert kinds.index(script.Told) < kinds.index(script.HungUp)


def test_the_script_is_not_told_when_the_two_speak_but_its_recording_is(world: Phones, desk: Desk) -> None:
    world.ask("speech")
    record(world, silence=5)
    connect(world, "dial")
    world.wait(4)
    world.tell(media.Speech(world.first_leg, is_speech=True))
    world.wait(10)
    assert not [what for what, _ in world.news if what == "speech"] and desk.of_kind(media.Record)[-1].is_on
    world.ben.hangup()
    world.tell(media.Speech(world.first_leg, is_speech=False, quiet_ms=500))
    assert [what for what, _ in world.news if what == "speech"]
    world.wait(4.6)
    assert not desk.of_kind(media.Record)[-1].is_on


def test_after_a_transfer_nobody_watches_for_speech_in_vain(world: Phones, desk: Desk) -> None:
    world.ask("speech")
    record(world)
    connect(world)
    world.tell(media.Cleared(world.first_leg))
    assert desk.of_kind(media.Watch)[-1] == media.Watch(world.first_leg, is_on=False)


def test_a_leg_that_was_announced_is_recorded_while_the_two_talk(world: Phones, desk: Desk) -> None:
    """By its own script, which is gone by then, and by the caller's."""
    record(world)
    world.ask("dial", dest="120", params={"ivraction": "announce"})
    world.opened()
    world.ben.accept()
    leg = list(desk.scripts)[-1]
    for number, what, arguments in ((1, "record", {"number": 1}), (0, "accept", {})):
        world.core.script_acted(leg, script.Request(number, what, arguments), world.now)
    world.exchange()
    assert desk.of_kind(media.Clear) == [media.Clear(world.leg, keeps_recording=True)]
    world.tell(media.Cleared(world.leg))
    for number in (world.first_leg, world.leg):
        world.tell(media.Recorded(number, bytes(1600), bytes(1600)))
    assert [len(tape.heard) for tape in desk.recorded] == [1600, 1600]
    world.ben.hangup()
    world.tell(media.Recorded(world.leg, b"", b"", is_last=True))
    world.tell(media.Closed(world.leg))
    assert [bool(tape.facts) for tape in desk.recorded] == [False, True]
