from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivrnode.media.wheel import Lateness, Wheel


class Clockwork:
    def __init__(self) -> None:
        self.ticks: list[float] = []
        self.skipped = 0

    def tick(self, now: float) -> None:
        self.ticks.append(now)

    def skip(self, frames: int, now: float) -> None:
        self.skipped += frames


def run(wheel: Wheel, now: float) -> None:
    while (due := wheel.next_turn) is not None and due <= now:
        wheel.turn(now)


def test_each_ticks_every_20_ms_and_they_are_spread_over_two_turns() -> None:
    wheel, works = Wheel(), [Clockwork() for _ in range(8)]
    for work in works:
        wheel.add(work, 10.0)
    for step in range(400):
        run(wheel, 10.0 + step * 0.005 + 0.005)
    assert [len(work.ticks) for work in works] == [100] * 8
    assert len({round(work.ticks[0], 6) for work in works}) == 2
    for work in works:
        gaps = [later - earlier for earlier, later in pairwise(work.ticks)]
        assert gaps == pytest.approx([0.02] * 99)


def test_a_late_turn_is_caught_up_and_delays_nothing() -> None:
    wheel, work = Wheel(), Clockwork()
    wheel.add(work, 0.0)
    run(wheel, 0.0475)
    assert len(work.ticks) == 2
    assert work.skipped == 0
    assert wheel.next_turn == pytest.approx(0.05)


def test_what_comes_too_late_is_skipped_not_sent_in_a_burst() -> None:
    wheel, work = Wheel(), Clockwork()
    wheel.add(work, 0.0)
    run(wheel, 2.0001)
    assert len(work.ticks) <= 4
    assert len(work.ticks) + work.skipped == 100
    assert wheel.lateness.skipped_frames == work.skipped


def test_an_empty_wheel_has_nothing_to_do_and_no_debt() -> None:
    wheel, work = Wheel(), Clockwork()
    assert wheel.next_turn is None
    wheel.turn(5.0)
    wheel.add(work, 5.0)
    wheel.remove(work)
    assert wheel.next_turn is None
    wheel.add(work, 100.0)
    run(wheel, 100.021)
    assert (len(work.ticks), work.skipped) == (1, 0)


@given(st.lists(st.floats(0.0, 0.3), min_size=1, max_size=60))
def test_ticks_and_skipped_frames_are_the_time_that_passed(naps: list[float]) -> None:
    wheel, work = Wheel(), Clockwork()
    now = 0.0
    wheel.add(work, now)
    for nap in naps:
        now += nap
        run(wheel, now)
    assert abs((len(work.ticks) + work.skipped) * 0.02 - now) <= 0.0201


def test_percentiles() -> None:
    lateness = Lateness()
    assert lateness.percentile(0.99) == 0
    for _ in range(95):
        lateness.add(0.00008)
    for _ in range(5):
        lateness.add(0.006)
    assert lateness.percentile(0.5) == 0.1
    assert lateness.percentile(0.99) == pytest.approx(6.0)
    assert lateness.max_ms == pytest.approx(6.0)
    lateness.add(3.0)
    assert lateness.percentile(1.0) == pytest.approx(3000)
