"""The walls one by one: every system call of the machine, the order of the lock-down, the traps found on the way."""

from __future__ import annotations

import json
import os
import platform
import signal
import subprocess
from pathlib import Path

import pytest

from ivrnode.errors import ConfigError
from ivrnode.net.scripts import workers as net_workers
from ivrnode.net.scripts import zygote as net_zygote
from ivrnode.net.scripts.walls import Walls, probe
from ivrnode.script import messages as m
from ivrnode.script.guest.lockdown import RULES
from ivrnode.walls import seccomp
from ivrnode.walls.calls import NUMBERS
from script.stage import open_stage

LAST_CALL = 480
CHECKED = ("read", "write", "mmap", "mprotect", "madvise")
# uretprobe and uprobe of x86-64: newer kernels let them past every filter, and refuse them outside their trampolines.
KERNELS_OWN = {335, 336} if platform.machine() == "x86_64" else set()
_TRY_EACH = """
import json, os, sys
sys.path.append(sys.argv[1])
from ivrnode.script.guest.lockdown import RULES
from ivrnode.walls import kernel, seccomp
code, found = seccomp.assemble(RULES), {}
for number in range(int(sys.argv[2])):
    pid = os.fork()
    if pid == 0:
        kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
        seccomp.install(code)
        try:
            kernel.syscall(number, 2**31, 0, 0, 0, 0, 0)
        except OSError as error:
            os._exit(error.errno)
        os._exit(0)
    status = os.waitpid(pid, 0)[1]
    found[number] = -os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)
print(json.dumps(found))
"""


@pytest.mark.slow
def test_every_system_call_that_is_not_in_the_table_kills() -> None:
    column, _ = seccomp.ARCHITECTURES[platform.machine()]
    done = subprocess.run(
        [*net_zygote.COMMAND, "import resource; resource.setrlimit(resource.RLIMIT_CORE, (0, 0))\n" + _TRY_EACH,
         net_zygote.ROOT, str(LAST_CALL)],
        capture_output=True, check=True,
    )  # fmt: skip
    found = {int(number): result for number, result in json.loads(done.stdout).items()}
    allowed = {NUMBERS[name][column] for name in seccomp.PLAIN}
    refused = {NUMBERS[name][column] for name in seccomp.REFUSED}
    checked = {NUMBERS[name][column] for name in CHECKED}
    killed = {number for number, result in found.items() if result == -signal.SIGSYS}
    assert killed | KERNELS_OWN == set(range(LAST_CALL)) - allowed - refused - checked
    assert all(found[number] != 0 for number in KERNELS_OWN)
    assert {number for number in refused if number and found[number] != 1} == set()  # EPERM
    assert [found[NUMBERS[name][column]] for name in ("read", "write")] == [9, 9]  # EBADF
    assert found[NUMBERS["madvise"][column]] == 1


@pytest.mark.parametrize("machine", list(seccomp.ARCHITECTURES))
def test_the_filter_of_each_machine_answers_by_its_own_numbers(machine: str) -> None:
    """The filter as the kernel would run it, by hand: the only run that aarch64 gets on another machine."""
    column, architecture = seccomp.ARCHITECTURES[machine]
    program = seccomp.program(RULES, machine)
    for names, answer in ((seccomp.PLAIN, "allow"), (seccomp.REFUSED, "errno 1")):
        for name in names:
            if (number := NUMBERS[name][column]) is not None:
                assert _run(program, architecture, number) == answer, name
    named = {NUMBERS[name][column] for name in (*seccomp.PLAIN, *seccomp.REFUSED, *CHECKED)}
    for number in set(range(1024)) - named:
        assert _run(program, architecture, number) == "kill"
    assert _run(program, architecture ^ 1, NUMBERS["read"][column], 3) == "kill"
    read, mmap, mprotect, madvise = (NUMBERS[name][column] for name in ("read", "mmap", "mprotect", "madvise"))
    assert [_run(program, architecture, read, fd) for fd in (3, 0, 1 << 32 | 3)] == ["allow", "errno 9", "allow"]
    assert _run(program, architecture, mmap, 0, 4096, 3, 0x22) == "allow"
    assert _run(program, architecture, mmap, 0, 4096, 0, 0x24022) == "allow"
    for protection, flags in ((7, 0x22), (5, 0x22), (3, 0x21), (3, 2), (3, 0x20), (3, 0x122), (3 | 1 << 33, 0x22)):
        assert _run(program, architecture, mmap, 0, 4096, protection, flags) == "errno 1"
    assert [_run(program, architecture, mprotect, 0, 0, p) for p in (0, 3, 4, 0x1000003)] == [
        "allow", "allow", "errno 1", "errno 1",
    ]  # fmt: skip
    assert [_run(program, architecture, madvise, 0, 0, a) for a in (4, 8, 12, 0)] == ["allow"] * 2 + ["errno 1"] * 2


def test_jumps_fit_and_every_path_returns() -> None:
    for machine in seccomp.ARCHITECTURES:
        program = seccomp.program(RULES, machine)
        for at, (code, if_true, if_false, _) in enumerate(program):
            if code & 7 == 5:
                assert at + 1 + max(if_true, if_false) < len(program)
        assert program[-1][0] == 6


def _run(program: list[tuple[int, int, int, int]], architecture: int, number: int | None, *arguments: int) -> str:
    """Classic BPF, the eight instructions that the filter uses (filter.rst of the kernel)."""
    assert number is not None
    data = {0: number, 4: architecture}
    for index, value in enumerate([*arguments, *[0] * (6 - len(arguments))]):
        data |= {16 + 8 * index: value & 0xFFFFFFFF, 20 + 8 * index: value >> 32}
    accumulator = at = 0
    while True:
        code, if_true, if_false, k = program[at]
        at += 1
        match code:
            case 0x20:
                accumulator = data[k]
            case 0x15:
                at += if_true if accumulator == k else if_false
            case 0x35:
                at += if_true if accumulator >= k else if_false
            case 0x45:
                at += if_true if accumulator & k else if_false
            case 0x54:
                accumulator &= k
            case 0x06:
                kind = {0x80000000: "kill", 0x7FFF0000: "allow"}.get(k)
                return kind or f"errno {k & 0xFFFF}"


def test_the_probe_finds_what_is_here() -> None:
    walls = probe()
    assert walls.machine == platform.machine()
    assert walls.seccomp
    assert walls.uid_change == (os.getuid() == 0)
    assert walls.pidfd
    assert Walls("x86_64", True, 6, True, True).warnings() == []


async def test_without_seccomp_no_script_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(net_workers, "probe", lambda: Walls("riscv64", pidfd=True))
    with pytest.raises(ConfigError, match="--unsafe-scripts"):
        async with open_stage():
            pass  # not reached


@pytest.mark.slow
async def test_unsafe_scripts_run_without_walls_but_with_the_same_frames(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(net_workers, "probe", lambda: Walls("riscv64", pidfd=True))
    async with open_stage(is_unsafe=True) as stage:
        script = await stage.play("os = asyncio.sys.modules['os']; print(os.getuid()); call.say('x')")
        assert script.lines == [str(os.getuid())]
        assert script.all(m.Say)
        loop = stage.run("while True: pass")
        assert "CPU limit" in (await loop.ended()).text
        assert (await script.hang_up()).reason == "finished"


SILENT = "seccomp.install = lambda code: 0; seccomp.unused"


@pytest.mark.parametrize("broken", ["seccomp.install", "landlock.restrict", "lockdown.set_limits", SILENT])
async def test_a_worker_whose_lock_down_fails_is_never_ready(monkeypatch: pytest.MonkeyPatch, broken: str) -> None:
    """Also when a step silently does nothing: the self-check finds a filter that is not on."""
    rooms = "from ivrnode.script.guest import lockdown; from ivrnode.walls import landlock, seccomp"
    change = f"{rooms}; {broken} = None; main()"
    monkeypatch.setattr(net_zygote, "_BOOTSTRAP", net_zygote._BOOTSTRAP.replace("main()", change))
    async with open_stage(pool=0) as stage:
        script = stage.run("print('ESCAPED')")
        end = await script.ended()
        assert (end.reason, end.is_fault) == ("start_failed", False)
        assert "lock-down failed" in end.text
        assert script.actions == []


async def test_what_a_locked_down_worker_is_to_the_system() -> None:
    async with open_stage(pool=0) as stage:
        script = await stage.play("pass")
        other = await stage.play("pass")
        pids = [stage.workers._calls[one.call].pid for one in (script, other)]
        status = [_status(pid) for pid in pids]
        assert [one["Seccomp"] for one in status] == ["2", "2"]
        assert [one["NoNewPrivs"] for one in status] == ["1", "1"]
        assert [one["CapEff"] for one in status] == ["0000000000000000"] * 2
        assert [one["Threads"] for one in status] == ["1", "1"]
        if os.getuid() == 0:
            uids = [one["Uid"].split() for one in status]
            assert all(len(set(ids)) == 1 and int(ids[0]) >= 61184 for ids in uids)
            assert uids[0] != uids[1]
            assert [one["Groups"] for one in status] == ["", ""]
            assert sorted(path.name for path in Path(f"/proc/{pids[0]}/fd").iterdir()) == ["3"]
            assert Path(f"/proc/{pids[0]}/environ").read_bytes() == b""
            assert Path(f"/proc/{pids[0]}/cwd").readlink() == Path("/")
            limits = Path(f"/proc/{pids[0]}/limits").read_text()
            for name in ("Max open files            4", "Max processes             0", "Max file size             0"):
                assert name in limits
            assert Path(f"/proc/{pids[0]}/stat").read_text().rsplit(") ", 1)[1].split()[16] == "5"  # nice


def _status(pid: int) -> dict[str, str]:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}
