"""What a script is told of its caller."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from world import AT_PHONE, World, sdp

from ivrnode.script.messages import Facts
from ivrnode.sip.address import NameAddr
from ivrnode.sip.uri import Uri

if TYPE_CHECKING:
    from recording_desk import Desk


@pytest.fixture
def world(tmp_path: Path, desk: Desk) -> World:
    return World(tmp_path, desk)


def facts(world: World, caller: NameAddr, *headers: tuple[str, str]) -> Facts:
    world.phone.invite(Uri.parse("sip:700@192.0.2.1"), AT_PHONE, world.now, from_=caller, body=sdp(), headers=headers)
    world.exchange()
    world.opened()
    [boot] = world.desk.scripts.values()
    return boot.facts


@pytest.mark.parametrize("uri", ["sip:anonymous@anonymous.invalid", "sip:Anonymous@192.0.2.9"])
def test_a_number_that_is_withheld_is_empty_and_so_is_the_name(world: World, uri: str) -> None:
    told = facts(world, NameAddr("Anonymous", Uri.parse(uri)))
    assert (told.caller, told.caller_name, told.called) == ("", "", "700")


def test_nobody_is_believed_what_he_asserts(world: World) -> None:
    told = facts(
        world,
        NameAddr("Ann", Uri.parse("sip:40@192.0.2.9")),
        ("P-Asserted-Identity", '"The Boss" <sip:1@192.0.2.1>'),
        ("Remote-Party-ID", "<sip:1@192.0.2.1>"),
    )
    assert (told.caller, told.caller_name) == ("40", "Ann")
