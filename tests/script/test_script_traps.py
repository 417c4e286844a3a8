"""Traps that a sandbox of this kind has fallen into, each with the test that would see it again.

memory beyond the limit by shared or growing maps     escapes.py: memory_*
setuid clears the wish to die with the zygote         net/test_workers.py: no worker outlives the core
the environment of the core                           escapes.py: environment; below: nothing inherited
large reads map and unmap memory each time            below: messages cost no pages
MSG_OOB and others through sendto                     escapes.py: call_sendto_out_of_band
no descriptor left for Landlock                       below: Landlock without a descriptor
a loop that waits for the fork                        below: a zygote that does not answer
a nice value that starves scripts, or the core        below: nice; net/test_workers_neighbours.py
dumpable again after the uid change                   below: the worker's files are root's
floods that cost the core more than the script        test_script_floods.py
a line in the system's log per kill                   pbx: the breaker
the same random numbers in each fork                  test_script_globals.py
asyncio's own loops                                   below; escapes.py: python_new_loop
a kill, or a clock, by number hits a stranger         below: a number that is someone else's now
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ivrnode.net.scripts import zygote as net_zygote
from ivrnode.net.scripts.walls import probe
from ivrnode.script import messages as m
from patience import PATIENCE
from script.processes import is_alive, never_longer_than, stat, status
from script.stage import Stage, open_stage

pytestmark = pytest.mark.asyncio(loop_scope="module")
as_root = pytest.mark.skipif(os.getuid() != 0, reason="only root may look at another user's process")
with_landlock = pytest.mark.skipif(not probe().landlock, reason="this kernel has no Landlock")


def change_zygote(monkeypatch: pytest.MonkeyPatch, change: str) -> None:
    """Another zygote, whose workers lock themselves down in another way."""
    rooms = "from ivrnode.script.guest import lockdown\nfrom ivrnode.walls import kernel, landlock, seccomp"
    text = f"{rooms}\n{change}\nmain()"
    bootstrap = net_zygote._BOOTSTRAP.replace("; main()", f"\n{text}")
    monkeypatch.setattr(net_zygote, "_BOOTSTRAP", bootstrap)


@as_root
async def test_a_worker_inherits_nothing_and_shows_nothing(stage: Stage) -> None:
    pid = await pid_of(stage, "pass")
    folder = Path(f"/proc/{pid}")
    assert (folder / "environ").read_bytes() == b""
    assert [path.name for path in (folder / "fd").iterdir()] == ["3"]
    assert (folder / "environ").stat().st_uid == 0, "dumpable: its user may look into it"
    assert int(status(pid)["Uid"].split()[0]) >= 61184
    assert stat(pid)[16] == "5"  # nice
    assert os.sched_getscheduler(pid) == os.SCHED_BATCH
    assert (folder / "oom_score_adj").read_text() == "1000\n", "when memory is short, a script goes before the core"
    limits = {line[:26].strip(): line[26:].split()[:2] for line in (folder / "limits").read_text().splitlines()}
    for name, value in {
        "Max open files": "4", "Max processes": "0", "Max file size": "0", "Max core file size": "0",
        "Max locked memory": "0", "Max msgqueue size": "0", "Max stack size": "8388608", "Max cpu time": "390",
    }.items():  # fmt: skip
        assert limits[name][0] == value, name
    assert all(limits[name][0] != "unlimited" for name in ("Max address space", "Max data size"))


async def test_messages_cost_no_pages(stage: Stage) -> None:
    """A read buffer that malloc maps anew costs page faults for each message."""
    script = await stage.play("call.stream(callback=lambda audio: None)")
    pid = stage.workers._calls[script.call].pid
    await say(stage, script.call, 200)
    before = int(stat(pid)[7])
    await say(stage, script.call, 1000)
    assert int(stat(pid)[7]) - before < 100


async def say(stage: Stage, call: str, count: int) -> None:
    for _ in range(count):
        stage.workers.send(call, m.AudioHeard(b"\xff" * 480, 1))
        await stage.scripts[call].idle()


@with_landlock
async def test_landlock_without_a_descriptor_ends_the_worker(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    change_zygote(monkeypatch, "r = landlock.restrict\nlandlock.restrict = lambda: (lockdown.limit('NOFILE', 0), r())")
    async with open_stage(pool=0) as stage:
        script = stage.run("print('ESCAPED')")
        end = await script.ended()
        assert end.reason == "start_failed"
        assert "Too many open files" in end.text
        assert script.actions == []


@with_landlock
async def test_landlock_holds_alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without the filter, files and TCP are still closed, but not what Landlock knows nothing of."""
    bait = tmp_path / "bait"
    bait.write_text("bait")
    bait.chmod(0o666)
    change_zygote(monkeypatch, "seccomp.install = lambda code: None\nlockdown.check = lambda: None")
    async with open_stage(pool=0) as stage:
        script = await stage.play(f"""
os = asyncio.sys.modules["os"]
def attempt(name, *arguments):
    try:
        getattr(os, name)(*arguments)
        print(name, "done")
    except OSError as error:
        print(name, type(error).__name__)
os.close(os.dup(3))
attempt("open", {str(bait)!r}, os.O_RDONLY)
attempt("open", {str(bait)!r}, os.O_WRONLY)
attempt("unlink", {str(bait)!r})
attempt("listdir", "/")
attempt("uname")
""")
        assert script.lines[:4] == ["open PermissionError"] * 2 + ["unlink PermissionError", "listdir PermissionError"]
        assert script.lines[4] == "uname done"


@pytest.mark.slow
async def test_a_zygote_that_does_not_answer_holds_up_nobody() -> None:
    """Three hundred starts wait for it, more than its socket holds, and the core's loop goes on."""
    async with open_stage(pool=0) as stage:
        os.kill(stage.workers._zygote.pid, signal.SIGSTOP)
        with never_longer_than(PATIENCE):
            scripts = [stage.run("pass") for _ in range(300)]
            await asyncio.sleep(0)
        os.kill(stage.workers._zygote.pid, signal.SIGCONT)
        for script in (scripts[0], scripts[-1]):
            await script.until(lambda s=script: s.all(m.Wait))


async def test_asyncio_has_no_other_loop(stage: Stage) -> None:
    script = await stage.play("""
async def main(): pass
try:
    asyncio.run(main())
except RuntimeError as error:
    print(error)
try:
    await asyncio.to_thread(print)
except RuntimeError as error:
    print(error)
""")
    assert "asyncio.run() cannot be called from a running event loop" in script.lines
    assert "a script has no threads and no sockets" in script.lines


async def test_a_number_that_is_someone_elses_now() -> None:
    """A worker is gone, its process number given to another process: no kill may hit that, no clock of it count."""
    bystander = subprocess.Popen([sys.executable, "-c", "while True: pass"])  # noqa: ASYNC220
    try:
        async with open_stage() as stage:
            script = await stage.play("call.dtmf(print)")
            worker = stage.workers._calls[script.call]
            dead = subprocess.Popen([sys.executable, "-c", ""])  # noqa: ASYNC220
            pidfd = os.pidfd_open(dead.pid)
            dead.wait()
            worker.pid, worker.pidfd, old = bystander.pid, pidfd, worker.pidfd
            worker.host.send(m.DigitPressed("1"))  # unanswered: what the clock says would count
            worker.kill()
            began = time.clock_gettime(~bystander.pid << 3 | 2)
            while time.clock_gettime(~bystander.pid << 3 | 2) - began < 0.4:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
            assert worker.end is None
            assert is_alive(bystander.pid)
            os.close(pidfd)
            worker.pidfd = old
            stage.workers.kill(script.call, "seen")
            await script.ended()
    finally:
        bystander.kill()
        bystander.wait()


async def pid_of(stage: Stage, source: str) -> int:
    script = await stage.play(source)
    return stage.workers._calls[script.call].pid
