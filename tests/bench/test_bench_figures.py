"""The arithmetic of the benchmark."""

from __future__ import annotations

import os
import subprocess
import sys
import time

from hypothesis import given
from hypothesis import strategies as st

from bench import cpu, marks
from bench.figures import median, percentile, shown, spread

numbers = st.lists(st.floats(-1e6, 1e6), min_size=1)


def test_percentiles_by_the_nearest_rank() -> None:
    values = list(range(1, 101))
    assert (percentile(values, 0.5), percentile(values, 0.99), percentile(values, 1.0)) == (50, 99, 100)
    assert percentile([3.0, 1.0, 2.0], 0.99) == 3.0
    assert percentile([], 0.5) is None


@given(numbers, st.sampled_from([0.01, 0.5, 0.9, 0.99, 1.0]))
def test_a_percentile_is_a_value_that_enough_are_not_above(values: list[float], share: float) -> None:
    found = percentile(values, share)
    assert found in values
    assert sum(value <= found for value in values) >= share * len(values) - 1e-9


@given(numbers)
def test_half_lies_on_either_side_of_the_median(values: list[float]) -> None:
    middle = median(values)
    assert middle is not None
    assert sum(value < middle for value in values) <= len(values) / 2
    assert sum(value > middle for value in values) <= len(values) / 2


def test_nothing_is_shown_as_a_dash() -> None:
    assert (shown(None), spread([]), shown(1.25, 2), spread([1.0, 3.0])) == ("-", "-", "1.25", "1.0 / 3.0")


def test_a_mark_survives_beside_other_sound() -> None:
    audio = marks.SOUND + marks.marked(marks.FROM_CALLER, 12.5, 7.25) + marks.SOUND
    assert marks.moments(marks.FROM_CALLER, audio) == (12.5, 7.25)
    assert marks.moments(marks.FROM_SERVICE, audio) is None
    assert marks.moments(marks.FROM_CALLER, audio[: marks.FRAME + 8]) is None
    assert len(marks.SOUND) == len(marks.marked(marks.FROM_CALLER, 0.0)) == marks.FRAME


def test_cpu_time_is_that_of_the_process_asked_for() -> None:
    pid = os.getpid()
    before, own, machine = cpu.cpu_seconds(pid), time.process_time(), cpu.machine_cpu_seconds()
    while time.process_time() - own < 0.1:
        pass
    used = cpu.cpu_seconds(pid) - before
    assert 0.1 <= used < 1.0
    assert cpu.machine_cpu_seconds() - machine >= 0.05


def test_children_that_ended_are_counted_by_their_parent() -> None:
    pid, work = os.getpid(), "import time\nwhile time.process_time() < 0.1: pass"
    before = cpu.ended_cpu_seconds(pid)
    with subprocess.Popen([sys.executable, "-c", work]) as child:
        assert child.pid in cpu.children(pid)
    assert 0.05 <= cpu.ended_cpu_seconds(pid) - before < 5
    assert (cpu.cpu_seconds(child.pid), cpu.memory_mb(child.pid), cpu.command_line(child.pid)) == (0.0, None, "")


def test_our_own_memory_is_more_than_a_megabyte() -> None:
    size = cpu.memory_mb(os.getpid())
    assert size is not None
    assert size > 1
