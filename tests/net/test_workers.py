"""The workers as the core sees them: start, pool, kill, watchdog, floods, the zygote's death."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import select
import signal
import sys
from pathlib import Path

import pytest

from ivrnode.errors import StateError
from ivrnode.net.scripts import zygote
from ivrnode.script import messages as m
from ivrnode.script import ops
from ivrnode.script.frames import FrameParser, encode
from ivrnode.script.guest.rehearsal import Prompter, Understudy
from ivrnode.script.limits import Limits
from ivrnode.tenancy.templates import DEFAULT_TEMPLATE
from patience import PATIENCE
from script.processes import Lateness, cpu, gone, status
from script.stage import FACTS, open_stage, patient

ECHO = "call.dtmf(lambda digit: print(digit))"


async def test_run_is_told_to_the_end_exactly_once() -> None:
    async with open_stage() as stage:
        script = await stage.play(ECHO)
        with pytest.raises(StateError):
            stage.workers.run(script.call, m.Boot("", "ivrnode.py", m.Facts("", "", "", "", "", "", "")))
        assert (await script.hang_up()).reason == "finished"
        script.send(m.DigitPressed("1"))
        stage.workers.kill(script.call, "late")
        stage.workers.kill("nobody", "")
        await (await stage.play("pass")).hang_up()
        assert stage.ended == ["call-0", "call-1"]


async def test_calls_beyond_the_pool_start_as_well() -> None:
    async with open_stage(pool=2) as stage:
        scripts = [stage.run("print('here')") for _ in range(12)]
        await asyncio.gather(*(script.until(lambda s=script: s.lines) for script in scripts))
        assert [script.lines for script in scripts] == [["here"]] * 12


async def test_kill_is_no_fault_of_the_script() -> None:
    async with open_stage() as stage:
        script = await stage.play(ECHO)
        stage.workers.kill(script.call, "admin")
        end = await script.ended()
        assert (end.reason, end.text, end.is_fault) == ("killed", "admin", False)


async def test_kill_before_it_was_ever_ready() -> None:
    async with open_stage(pool=0) as stage:
        script = stage.run(ECHO)
        stage.workers.kill(script.call, "caller gone")
        assert (await script.ended()).text == "caller gone"
        assert script.actions == []


async def test_who_is_known_too_late_to_be_killed_is_killed_then() -> None:
    """It may be so busy that it does not see that nobody wants it any more."""
    async with open_stage(pool=0) as stage:
        busy = await asyncio.create_subprocess_exec("sleep", "600")
        stage.workers.worker_forked(1_000_000, busy.pid, os.pidfd_open(busy.pid))
        assert await asyncio.wait_for(busy.wait(), PATIENCE) == -signal.SIGKILL


async def test_who_is_gone_is_neither_told_nor_killed_again() -> None:
    """Another one's may be the number of its pidfd by now."""
    async with open_stage(pool=0) as stage:
        script = await stage.play(ECHO)
        worker = stage.workers._calls[script.call]
        script.send(m.DigitPressed("1"))
        stage.workers.worker_ended(worker.serial, 0)
        stage.workers._flush()
        assert worker.host.has_to_send
        assert worker.pidfd == -1


async def test_close_ends_every_call() -> None:
    async with open_stage() as stage:
        scripts = [await stage.play(ECHO), await stage.play(ECHO), stage.run("while True: pass")]
    assert [script.end.text for script in scripts if script.end] == ["shutdown"] * 3


LOOPS = {
    "Python": "while True: pass",
    "regex": "re.match(r'(a+)+$', 'a' * 60 + 'b')",
    "bigint": "x = 3\n    while True: x = x * x",
    "C": "sum(iter(int, 1))",
}


async def test_cpu_of_one_event_is_limited_and_no_one_elses() -> None:
    async with open_stage() as stage:
        honest = await stage.play(ECHO)

        async def spin(name: str) -> tuple[str, float]:
            script = await stage.play(f"import re\ndef spin():\n    {LOOPS[name]}\ncall.dtmf(spin)")
            pid = stage.workers._calls[script.call].pid
            begin = end = cpu(pid)
            script.send(m.DigitPressed("1"))
            with contextlib.suppress(OSError):  # until it is dead
                while True:
                    end = cpu(pid)
                    await asyncio.sleep(0.002)
            ended = await script.ended()
            assert (ended.reason, ended.is_fault) == ("killed", True)
            return ended.text, end - begin

        with Lateness() as lateness:  # the watchdog is as late as everything else in this loop
            spun = await asyncio.gather(*map(spin, LOOPS))
        for text, seconds in spun:
            assert "CPU limit passed: 250 ms" in text
            assert seconds < 0.4 + 2 * lateness.worst
        honest.send(m.DigitPressed("7"))
        await honest.idle()
        assert honest.lines == ["7"]


@pytest.mark.slow
async def test_a_slow_start_may_take_a_second_of_cpu() -> None:
    source = "import time\nend = time.process_time() + {}\nwhile time.process_time() < end: pass\nprint('done')"
    async with open_stage() as stage:
        assert (await stage.play(source.format(0.5))).lines == ["done"]
        assert "1000 ms" in (await stage.run(source.format(3)).ended()).text


@pytest.mark.slow
async def test_many_short_events_are_no_long_one() -> None:
    """CPU counts per event: a second of work in forty pieces kills nobody, however many wait in line."""
    async with open_stage() as stage:
        script = await stage.play("""
import time
def work():
    end = time.process_time() + 0.025
    while time.process_time() < end: pass
call.dtmf(work)
""")
        script.send(*[m.DigitPressed("1")] * 40)
        await script.idle()
        assert script.end is None


async def test_who_answered_while_the_core_stood_still_is_not_killed() -> None:
    """The watchdog may wake before the reader does."""
    async with open_stage(pool=0) as stage:
        script = stage.run("call.dtmf(lambda: sum(range(2_000_000)))")
        worker = stage.workers._calls[script.call]
        select.select([worker.sock], [], [], PATIENCE)  # it is ready
        stage.workers._check(worker, worker.deadline + 1)
        assert worker.end is None
        await script.until(lambda: script.all(m.Wait))
        script.send(*[m.DigitPressed("1")] * 40)
        stage.workers._flush()
        stage.workers._check(worker, 0.0)
        began = cpu(worker.pid)
        while cpu(worker.pid) - began < 0.4:
            pass
        stage.workers._check(worker, 0.0)
        assert worker.end is None
        await script.idle()


@pytest.mark.slow
async def test_cpu_of_the_whole_call_is_limited_even_when_events_are_acknowledged_falsely() -> None:
    async with open_stage(limits=patient(cpu_call_seconds=1)) as stage:
        script = stage.run("""
os = asyncio.sys.modules["os"]
os.write(3, (12).to_bytes(4, "little") + bytes([78]) + (1).to_bytes(4, "little") + bytes(6) + b"\\xf0\\xbf" + bytes(4))
while True: pass
""")
        end = await script.ended()
        assert script.all(m.Wait) == [m.Wait(None, 0)]
        assert "CPU limit of the whole call" in end.text


async def test_a_script_that_does_not_read() -> None:
    async with open_stage(limits=patient(queue_frames=50)) as stage:
        script = await stage.play("libc = asyncio.sys.modules['ctypes'].CDLL(None)\ncall.dtmf(lambda: libc.sleep(60))")
        while script.end is None:
            script.send(*[m.DigitPressed("1")] * 20)
            await asyncio.sleep(0)
        assert "does not read" in script.end.text
        assert script.end.is_fault


async def test_audio_for_a_slow_script_is_dropped_and_counted() -> None:
    async with open_stage() as stage:
        script = await stage.play("call.stream(callback=lambda audio: call.mute())")
        script.send(*[m.AudioHeard(b"x" * 160, 1)] * 300)  # before it can have answered a single one
        await script.until(lambda: len(script.all(m.Ask)) == 256)
        assert (await script.hang_up()).audio_dropped == 44


async def test_a_death_of_its_own_is_told() -> None:
    async with open_stage() as stage:
        for source, reason, text in (
            ("asyncio.sys.modules['os']._exit(3)", "crashed", "ended by itself, status 3"),
            ("asyncio.sys.modules['ctypes'].string_at(8)", "crashed", "died of SIGSEGV"),
            ("asyncio.sys.modules['os'].fork()", "killed", "system call that no script may make"),
        ):
            end = await stage.run(source).ended()
            assert (end.reason, end.is_fault) == (reason, True)
            assert text in end.text


async def test_a_script_is_woken_once_for_each_event() -> None:
    """Not once more when its answer is read: that is half of what a call costs."""
    async with open_stage() as stage:
        script = await stage.play("call.dtmf(lambda key: call.log(key))")
        pid = stage.workers._calls[script.call].pid
        before = int(status(pid)["voluntary_ctxt_switches"])
        for _ in range(100):
            script.send(m.DigitPressed("1"))
            await script.idle()
        assert int(status(pid)["voluntary_ctxt_switches"]) - before < 130


async def test_last_words_are_heard() -> None:
    async with open_stage() as stage:
        script = stage.run("for n in range(500): call.say(str(n))\n1/0")
        await script.until(lambda: script.failures)
        assert len(script.all(m.Say)) == 500


async def test_a_start_that_takes_too_long_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    async with open_stage(pool=0) as stage:
        process = stage.workers._zygote
        assert process is not None
        warm = await stage.play("pass")
        stage.workers._limits = Limits(ready_seconds=0.3)
        os.kill(process.pid, signal.SIGSTOP)
        try:
            script = stage.run(ECHO)
            end = await script.ended()
        finally:
            os.kill(process.pid, signal.SIGCONT)
        assert (end.reason, end.is_fault) == ("start_failed", False)
        assert "not ready in 0.3 s" in end.text
        assert (await warm.hang_up()).reason == "finished"


@pytest.mark.slow
async def test_the_death_of_the_zygote_ends_all_and_a_new_one_takes_over() -> None:
    async with open_stage() as stage:
        scripts = [await stage.play("while_ = 1\n" + ECHO) for _ in range(10)]
        pids = [worker.pid for worker in stage.workers._workers.values()]
        assert stage.workers._zygote is not None
        os.kill(stage.workers._zygote.pid, signal.SIGKILL)
        ends = await asyncio.gather(*(script.ended() for script in scripts))
        assert {(end.reason, end.is_fault) for end in ends} == {("crashed", False)}
        assert not {worker.pid for worker in stage.workers._workers.values()} & set(pids)
        await gone(pids)
        again = await stage.play("print('again')")
        assert again.lines == ["again"]


async def test_no_worker_outlives_the_core() -> None:
    """Killed, not closed: the zygote sees its socket end, the workers die with the zygote, busy ones too."""
    program = f"""
import asyncio, sys
sys.path[:0] = {[str(Path(__file__).parents[1]), str(Path(__file__).parents[2])]!r}
from patience import PATIENCE
from script.stage import open_stage, patient
async def main():
    async with open_stage() as stage:
        await stage.play("pass")
        stage.run("import time\\nwhile True: pass")
        while not all(one.pid and one.is_ready for one in stage.workers._workers.values()):
            await asyncio.sleep(0.01)
        print(stage.workers._zygote.pid, *(worker.pid for worker in stage.workers._workers.values()), flush=True)
        await asyncio.Event().wait()
asyncio.run(main())
"""
    core = await asyncio.create_subprocess_exec(sys.executable, "-c", program, stdout=asyncio.subprocess.PIPE)
    assert core.stdout is not None
    pids = [int(pid) for pid in (await core.stdout.readline()).split()]
    assert len(pids) >= 3
    core.kill()
    await core.wait()
    await gone(pids)


def test_the_rehearsal_of_a_call_goes_well_and_tells_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that fails would go unnoticed, and start every call slower."""
    streams = sys.stdin, sys.stdout, sys.stderr, sys.modules["__main__"]
    said: list[bytes] = []
    monkeypatch.setattr(Prompter, "flush", lambda self: said.extend(self._out) or self._out.clear())
    understudy = Understudy()
    try:
        for _ in range(ops.MAX_SOCKETS + 1):
            said.clear()
            understudy.rehearse()
    finally:
        understudy._loop.close()
        sys.stdin, sys.stdout, sys.stderr, sys.modules["__main__"] = streams
    done = [op for op, _, _ in FrameParser().feed(b"".join(said)) if op not in (ops.DONE, ops.WAIT)]
    assert done == [ops.SOCKET_OPEN, ops.SAY, ops.STREAM, ops.SEND_TEXT, ops.PLAY, ops.SEND_TEXT]


async def test_a_start_with_an_empty_pool_waits_for_no_rehearsal(monkeypatch: pytest.MonkeyPatch) -> None:
    change = "z.Understudy.rehearse = lambda self: 1 / 0\nz._LESSONS = 0\nmain()"
    bootstrap = zygote._BOOTSTRAP.replace("; main()", f"\nimport ivrnode.script.guest.zygote as z\n{change}")
    monkeypatch.setattr(zygote, "_BOOTSTRAP", bootstrap)
    async with open_stage(pool=0) as stage:
        assert (await stage.play("print('here')")).lines == ["here"]


async def test_the_script_that_most_calls_run_is_told_once_for_all() -> None:
    """Its text goes to the zygote, not to each worker; a traceback shows its lines all the same."""
    text, filename = DEFAULT_TEMPLATE.read_text("utf-8"), str(DEFAULT_TEMPLATE)
    async with open_stage() as stage:
        for source, is_known in ((text, True), (text + "#", False)):
            boot = m.Boot(source, filename, FACTS)
            assert stage.workers._zygote.knows(boot) == is_known
            script = stage.start(boot)
            await script.until(lambda s=script: s.failures)
            (shown,) = re.findall(r"line (\d+), in <module>\n    (.+)", script.failures[0])
            assert text.splitlines()[int(shown[0]) - 1].strip() == shown[1]
    assert len(encode(m.Boot(text, filename, FACTS, is_known=True))) < 1000 < len(text)
