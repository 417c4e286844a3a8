"""How many workers wait, as calls come; and that filling up holds up no call."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from ivrnode.net.scripts.pool import Pool
from ivrnode.script import messages as m
from script.processes import until
from script.stage import open_stage


@dataclass(eq=False)
class One:
    is_ready: bool = True


def full(least: int, now: float = 0.0) -> Pool[One]:
    pool: Pool[One] = Pool(least)
    fill(pool, now)
    return pool


def fill(pool: Pool[One], now: float) -> None:
    while pool.missing(now) > 0:
        pool.add(One())


def test_one_that_is_ready_is_taken_first_and_else_one_that_soon_will_be() -> None:
    pool: Pool[One] = Pool(3)
    first, second, third = One(False), One(True), One(False)
    for one in (first, second, third):
        pool.add(one)
    assert [pool.take(0.0) for _ in range(4)] == [second, first, third, None]


def test_as_many_wait_as_came_at_once_lately() -> None:
    pool = full(4)
    assert len(pool) == 4
    for number in range(6):
        pool.take(1.0 + number * 0.02)
    assert pool.missing(1.2) == 6
    fill(pool, 1.2)
    assert (pool.missing(31.0), pool.missing(31.2)) == (0, -2)
    for _ in range(3):
        pool.take(31.2)
    assert pool.missing(31.2) == 1, "four are enough for three at once"


def test_calls_one_after_the_other_are_not_at_once() -> None:
    pool = full(4)
    for number in range(100):
        pool.take(number * 0.1)
        fill(pool, number * 0.1)
    assert len(pool) == 4


@given(st.integers(0, 5), st.lists(st.floats(0, 0.5), max_size=60))
def test_never_fewer_than_the_least_nor_more_than_four_times_that(least: int, gaps: list[float]) -> None:
    pool, now = full(least), 0.0
    for gap in gaps:
        now += gap
        pool.take(now)
        fill(pool, now)
        assert least <= len(pool) + min(0, pool.missing(now)) <= 4 * least
    assert len(pool) + pool.missing(now + 31.0) == least


async def test_the_pool_grows_with_what_comes_at_once_and_shrinks_again() -> None:
    async with open_stage(pool=2) as stage:
        pool = stage.workers._pool
        scripts = [stage.run("print('here')") for _ in range(7)]
        for script in scripts:
            await script.until(lambda s=script: s.lines)
        await until(lambda: len(pool) == 7 and all(one.is_ready for one in pool))
        pool._until = 0.0  # half a minute later
        await until(lambda: len(pool) == 2 and len(stage.workers._workers) == 2 + 7)
        assert (await stage.play("print('again')")).lines == ["again"]


async def test_a_call_without_a_waiting_worker_is_forked_for_before_the_pool_is() -> None:
    async with open_stage(pool=2) as stage:
        workers = stage.workers
        await until(lambda: len(workers._pool) == 2)
        serials = []
        ask = workers._zygote.fork
        workers._zygote.fork = lambda serial, *rest: (serials.append((serial, rest[1])), ask(serial, *rest))  # type: ignore[method-assign]
        scripts = [stage.run("pass") for _ in range(5)]
        for script in scripts:
            await script.until(lambda s=script: s.all(m.Wait))
        await until(lambda: len(workers._pool) == 5)
        has_time = [time for _, time in sorted(serials)]
        assert has_time == [False] * 3 + [True] * 5
