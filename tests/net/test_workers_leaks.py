"""What is left behind: no process, no descriptor, no memory, however many scripts came and went."""

from __future__ import annotations

import asyncio
import gc
import os
import resource
import signal
from collections import Counter

import pytest

from ivrnode.script import messages as m
from script.processes import children, copied, descriptors, gone, proportional, resident, until
from script.stage import Stage, open_stage, patient

GROWTH = 512  # kB, far less than one worker
ECHO = "call.dtmf(lambda digit: print(digit))"


async def begin_and_end(stage: Stage, count: int) -> None:
    """Ten at once, half of them killed."""
    for _ in range(count // 10):
        scripts = [stage.run("call.say('x')") for _ in range(10)]
        for number, script in enumerate(scripts):
            await script.until(lambda s=script: s.all(m.Wait))
            if number % 2:
                stage.workers.kill(script.call, "")
                await script.ended()
            else:
                await script.hang_up()
        stage.scripts.clear()  # the stage's own memory


async def settle(stage: Stage) -> None:
    """The pool is full and ready, nothing is on its way."""
    workers = stage.workers
    workers._pool._until = 0.0  # half a minute later: as if none had come at once
    await until(lambda: len(workers._pool) == 4 and all(worker.is_ready and worker.pid for worker in workers._pool))
    await until(lambda: len(workers._workers) == 4)


def objects() -> Counter[str]:
    """How many there are of each of our own kinds in the core."""
    gc.collect()
    return Counter(type(one).__name__ for one in gc.get_objects() if str(type(one).__module__).startswith("ivrnode."))


@pytest.mark.parametrize("count", [100, pytest.param(2000, marks=pytest.mark.slow)])
async def test_starts_and_ends_leave_nothing_behind(count: int) -> None:
    async with open_stage() as stage:
        zygote = stage.workers._zygote.pid
        await begin_and_end(stage, 50)
        await settle(stage)
        before, kinds = (descriptors(os.getpid()), descriptors(zygote)), objects()
        sizes = resident(os.getpid()), resident(zygote)
        await begin_and_end(stage, count)
        await settle(stage)
        assert (descriptors(os.getpid()), descriptors(zygote)) == before
        assert not objects() - kinds  # fewer there may be: what other tests have left is collected now and then
        assert resident(zygote) - sizes[1] < GROWTH
        assert resident(os.getpid()) - sizes[0] < 16 * GROWTH  # the tests' own process is no zygote
        assert sorted(children(zygote)) == sorted(worker.pid for worker in stage.workers._workers.values())
        assert len(stage.workers._uids) <= 4


@pytest.mark.parametrize("count", [3_000, pytest.param(30_000, marks=pytest.mark.slow)])
async def test_many_events_in_one_call_leave_its_memory_flat(count: int) -> None:
    async with open_stage(limits=patient(frames_rate=100_000, bytes_rate=1 << 30)) as stage:
        script = await stage.play("""
ws = Websocket("ws://h"); ws.connect()
ws.on("open", lambda: call.stream(callback=lambda audio: ws.send({"type": "x", "audio": toBase64String(audio)})))
""")
        script.send(m.SocketOpened(1, ""))
        pid = stage.workers._calls[script.call].pid
        size = proportional if os.getuid() == 0 else resident
        sizes = []
        for _ in range(count // 100):
            script.send(*[m.AudioHeard(b"\xff" * 480, 1)] * 100)
            await script.idle()
            script.actions = script.actions[-1:]
            sizes.append(size(pid))
        assert sizes[-1] - sizes[10] < 128, sizes  # kB


@pytest.mark.slow
@pytest.mark.skipif(os.getuid() != 0, reason="only root may look at another user's process")
@pytest.mark.skipif(resource.getpagesize() != 4096, reason="larger pages are larger copies")
async def test_a_script_shares_most_of_its_memory_with_the_zygote() -> None:
    """About 2,000 kB are its own; 2,700 when each learned the way anew and ran what was to run after a fork."""
    async with open_stage() as stage:
        await settle(stage)
        script = await stage.play("call.stream(callback=lambda audio: None)")
        script.send(*[m.AudioHeard(b"\xff" * 480, 1)] * 10)
        await script.idle()
        assert 500 < copied(stage.workers._calls[script.call].pid) < 2400


async def test_a_dead_zygote_ends_fifty_calls_cleanly_and_the_next_one_works() -> None:
    async with open_stage() as stage:
        await settle(stage)
        before = descriptors(os.getpid())
        scripts = [await stage.play(ECHO) for _ in range(50)]
        scripts.append(stage.run("while True: pass"))
        await until(lambda: all(one.pid and one.is_ready for one in stage.workers._workers.values()))
        pids = [worker.pid for worker in stage.workers._workers.values()]
        os.kill(stage.workers._zygote.pid, signal.SIGKILL)
        ends = await asyncio.gather(*(script.ended() for script in scripts))
        assert {(end.reason, end.is_fault) for end in ends} == {("crashed", False)}
        assert len(stage.ended) == 51
        await gone(pids)
        again = await stage.play("print('again')")
        assert again.lines == ["again"]
        await again.hang_up()
        await settle(stage)
        assert descriptors(os.getpid()) == before
