"""The clock of whole calls: it counts what we wait for and what we compute, and nothing else."""

from __future__ import annotations

import asyncio
import time

from fair_clock import fair_time


async def test_a_wait_takes_as_long_as_was_asked_for() -> None:
    with fair_time(asyncio.get_running_loop()):
        began = time.monotonic()
        await asyncio.sleep(0.2)
        assert 0.2 <= time.monotonic() - began < 1


async def test_standing_still_does_not_count_and_computing_does() -> None:
    with fair_time(asyncio.get_running_loop()):
        began = time.monotonic()
        time.sleep(0.1)  # noqa: ASYNC251
        assert time.monotonic() - began < 0.05
        began, cpu = time.monotonic(), time.thread_time()
        while time.thread_time() - cpu < 0.1:
            pass
        assert time.monotonic() - began >= 0.1


async def test_while_another_process_works_a_wait_is_longer_for_us() -> None:
    with fair_time(asyncio.get_running_loop()) as clock:
        clock.is_busy.append(lambda: True)
        real = time.perf_counter()
        await asyncio.sleep(0.01)
        assert time.perf_counter() - real >= 0.05
