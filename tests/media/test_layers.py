"""Sound behind the queue: one place, heard only while the queue is empty, and nobody waits for it."""

from __future__ import annotations

import pytest
from desk import Desk

from ivrnode.audio.format import AudioFormat
from ivrnode.media.layers import Layers
from ivrnode.media.messages import Answer, Ask, Drained, Event, Fail, FirstAudio, ItemDone, Mute, Play, StopItem

ULAW, ALAW = AudioFormat("g711_ulaw", 8000), AudioFormat("g711_alaw", 8000)


@pytest.fixture
def events() -> list[Event]:
    return []


@pytest.fixture
def layers(events: list[Event]) -> Layers:
    return Layers(1, ULAW, events.append)


def behind(layers: Layers, number: int, audio: bytes, *, is_last: bool = True, tag: str = "") -> None:
    layers.append(number, ULAW, audio, is_last=is_last, tag=tag, is_background=True)


def frames(layers: Layers, count: int) -> list[bytes]:
    return [(layers.next_frame() or b"-")[:1] for _ in range(count)]


def test_it_begins_when_the_queue_is_empty_and_ends_with_its_next_frame(layers: Layers, events: list[Event]) -> None:
    behind(layers, 1, b"b" * 1600)
    layers.append(2, ULAW, b"f" * 320)
    assert frames(layers, 4) == [b"f", b"f", b"b", b"b"]
    layers.append(3, ULAW, b"g" * 160)
    assert frames(layers, 3) == [b"g", b"-", b"-"]
    assert events == [
        FirstAudio(1),
        ItemDone(1, 2, 40),
        Drained(1),
        FirstAudio(1),
        ItemDone(1, 3, 20),
        Drained(1),
        ItemDone(1, 1, 40, is_stopped=True),
    ]


def test_it_waits_for_an_item_that_is_still_being_spoken_but_plays_on_until_it_is_heard(layers: Layers) -> None:
    layers.append(1, ULAW, b"", is_last=False)
    behind(layers, 2, b"b" * 1600)
    assert frames(layers, 2) == [b"-", b"-"]
    layers.append(1, ULAW, b"f" * 160)
    assert frames(layers, 2) == [b"f", b"b"]
    layers.append(3, ULAW, b"", is_last=False)
    assert frames(layers, 2) == [b"b", b"b"]
    layers.append(3, ULAW, b"g" * 160)
    assert frames(layers, 2) == [b"g", b"-"]


def test_a_newer_one_takes_its_place_and_the_rest_of_the_older_one_is_dropped(
    layers: Layers, events: list[Event]
) -> None:
    behind(layers, 1, b"a" * 800, is_last=False)
    assert frames(layers, 1) == [b"a"]
    behind(layers, 2, b"b" * 320)
    behind(layers, 1, b"a" * 800)
    assert frames(layers, 3) == [b"b", b"b", b"-"]
    assert events == [ItemDone(1, 1, 20, is_stopped=True), ItemDone(1, 2, 40)]


def test_one_that_is_played_to_its_end_tells_of_no_drained_queue(layers: Layers, events: list[Event]) -> None:
    behind(layers, 1, b"a" * 200, tag="music")
    assert frames(layers, 3) == [b"a", b"a", b"-"]
    assert events == [ItemDone(1, 1, 25)]
    assert layers.tag_ms("music") == layers.item_ms(1) == 25


def test_it_is_not_queued_but_mute_drops_it_too(layers: Layers, events: list[Event]) -> None:
    behind(layers, 1, b"a" * 800)
    layers.append(2, ULAW, b"f" * 320)
    assert (layers.queued_ms, layers.item_queued_ms(1), layers.is_empty) == (40, 100, False)
    assert layers.mute() == 140
    assert frames(layers, 2) == [b"-", b"-"]
    assert {event.item for event in events if isinstance(event, ItemDone) and event.is_stopped} == {1, 2}
    behind(layers, 3, b"c" * 160)
    assert frames(layers, 1) == [b"c"]


def test_its_codec_changes_with_the_leg(layers: Layers) -> None:
    behind(layers, 1, b"\xff" * 320)
    layers.change_format(ALAW)
    assert layers.next_frame() == b"\xd5" * 160


def test_through_the_engine(desk: Desk) -> None:
    phone = desk.call()
    desk.command(
        Play(1, 1, "g711_ulaw", 8000, b"b" * 1600, tag="music", is_background=True),
        Ask(1, "queued", "", 1),
        Ask(1, "item_queued", "1", 2),
    )
    desk.run(0.1)
    desk.command(Ask(1, "tag", "music", 3), StopItem(1, 1, 4), Play(1, 2, "g711_ulaw", 8000, b"f" * 160))
    desk.run(0.1)
    desk.command(
        Play(1, 3, "g711_ulaw", 8000, b"", is_last=False, is_background=True), Fail(1, 3, "no voice"), Mute(1, 5)
    )
    assert desk.of(Answer) == [
        Answer(1, 1, 0),
        Answer(1, 2, 200),
        Answer(1, 3, 100),
        Answer(1, 4, 100),
        Answer(1, 5, 0),
    ]
    assert phone.heard().count(b"b") == 800
    assert [(done.item, done.is_stopped, done.error) for done in desk.of(ItemDone)] == [
        (1, True, ""),
        (2, False, ""),
        (3, True, "no voice"),
    ]


@pytest.fixture
def desk() -> Desk:
    return Desk()
