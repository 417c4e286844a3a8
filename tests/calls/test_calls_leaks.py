"""Many whole calls, by SIP with media and a script each: afterwards nothing of them is left."""

from __future__ import annotations

import asyncio
import gc
import os
import time
from collections import Counter
from typing import TYPE_CHECKING

import pytest
from house import Caller

from script.processes import children, descriptors, resident, until

if TYPE_CHECKING:
    from house import House

    from conftest import OpenHouse

AT_ONCE = 8
SCRIPTS = {
    "short": "call.play(codec='g711_ulaw', audio=bytes(range(128, 255)) * 4)",
    "leaves": "call.on('hangup', lambda reason: print(reason))\ncall.hangup()",
}


async def ring(house: House, count: int) -> None:
    """So many calls, `AT_ONCE` at a time, each to the next script; TCP, so that no SIP timer outlives the call."""
    numbers = iter(range(count))

    async def line() -> None:
        for number in numbers:
            async with Caller() as caller:
                await caller.dial(house.uri(list(SCRIPTS)[number % 2], "tcp"))
                assert await caller.left() == "bye"

    await asyncio.gather(*(line() for _ in range(AT_ONCE)))
    workers = house.runtime.world._workers
    workers._pool._until = 0.0  # half a minute later: as if none had come at once
    await until(lambda: not house.runtime.core.calls and len(workers._workers) == len(workers._pool) == 4)
    await until(lambda: all(worker.is_ready and worker.pid for worker in workers._pool))
    house.runtime.core.tick(time.monotonic() + 60)  # RFC 6026: a 2xx keeps its transaction for 32 s
    await until(lambda: "StreamConnection" not in kinds_of_objects())  # the far end's close comes a moment later
    house.lines.clear()


def left(house: House) -> tuple[int, int, int, Counter[str]]:
    """Descriptors of ours and the zygote's, its children, and how many there are of each of our kinds of objects."""
    zygote = house.runtime.world._workers._zygote.pid
    return descriptors(os.getpid()), descriptors(zygote), len(children(zygote)), kinds_of_objects()


def kinds_of_objects() -> Counter[str]:
    gc.collect()
    kinds = Counter(type(one).__name__ for one in gc.get_objects() if str(type(one).__module__).startswith("ivrnode."))
    for kept in ("Entry", "_Record", "Uri", "NameAddr"):  # on purpose, and bounded: logs of calls, what was parsed
        del kinds[kept]
    return kinds


@pytest.mark.parametrize("count", [80, pytest.param(2000, marks=pytest.mark.slow)])
async def test_calls_leave_nothing_behind(count: int, open_house: OpenHouse) -> None:
    house = await open_house(scripts=SCRIPTS)
    house.clock.is_busy.clear()  # some script is always at work
    zygote = house.runtime.world._workers._zygote.pid
    await ring(house, 40)
    before, sizes = left(house), (resident(os.getpid()), resident(zygote))
    await ring(house, count)
    *counts, kinds = left(house)
    assert counts == list(before[:-1])
    assert not kinds - before[-1]  # fewer there may be: what other tests have left is collected now and then
    assert resident(zygote) - sizes[1] < 512  # kB
    # The log of each call is kept, and for 32 s its SIP transaction: what is left of calls is counted above.
    assert resident(os.getpid()) - sizes[0] < 8192 + 8 * count
