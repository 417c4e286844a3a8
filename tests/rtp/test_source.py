import random

import pytest

from ivrnode.rtp.source import Source


def feed(source: Source, numbers: list[int], spacing: float = 0.02) -> None:
    for place, number in enumerate(numbers):
        source.packet_received(number & 0xFFFF, number * 160 & 0xFFFFFFFF, place * spacing)


def test_loss_is_counted_across_the_wrap() -> None:
    numbers = list(range(65500, 65600))
    source = Source.starting_at(1, numbers[0])
    feed(source, [number for number in numbers if number not in (65510, 65535, 65536)])
    assert (source.expected, source.received, source.lost) == (100, 97, 3)
    assert source.highest == 65599


def test_order_and_doubles() -> None:
    source = Source.starting_at(1, 0)
    numbers = list(range(50))
    random.Random(1).shuffle(numbers)
    feed(source, [0, *numbers])
    assert source.expected == 50
    assert source.lost == -1


def test_one_stray_is_dropped_and_two_in_a_row_are_a_restart() -> None:
    source = Source.starting_at(1, 100)
    feed(source, list(range(100, 110)))
    assert not source.packet_received(40000, None, 1.0)
    assert source.packet_received(110, None, 1.0)
    assert not source.packet_received(40000, None, 1.0)
    assert source.packet_received(40001, None, 1.0)
    assert source.lost == 0
    assert source.packet_received(40004, None, 1.0)
    assert source.lost == 2


def test_jitter_of_an_even_stream_is_none_and_of_an_uneven_one_its_swing() -> None:
    even, uneven = Source.starting_at(1, 0), Source.starting_at(2, 0)
    for number in range(500):
        even.packet_received(number, number * 160, number * 0.02)
        uneven.packet_received(number, number * 160, number * 0.02 + (number % 2) * 0.005)
    assert even.jitter == pytest.approx(0, abs=1e-6)
    assert uneven.jitter == pytest.approx(40, rel=0.01)


def test_a_report_tells_the_loss_since_the_last_one() -> None:
    source = Source.starting_at(5, 0)
    feed(source, [*range(0, 100, 2), 99])
    first = source.report(0, 0)
    assert (first.packets_lost, first.fraction_lost) == (49, 49 * 256 // 100)
    feed(source, list(range(100, 200)))
    second = source.report(0, 0)
    assert (second.packets_lost, second.fraction_lost, second.highest_sequence) == (49, 0, 199)
