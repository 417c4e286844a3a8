"""CPU time and memory of processes that are not ours to ask: proc(5) and their CPU clocks."""

from __future__ import annotations

import os
import time
from pathlib import Path

PROC = Path("/proc")
_CPU_CLOCK = 2  # CPUCLOCK_SCHED, in a clock id made of a process number: clock_getcpuclockid(3)
_TICKS = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid: int) -> float:
    """User and system time of all threads of a process, to the nanosecond where `stat` counts in hundredths.

    0.0 for a process that is gone: its parent's `ended_cpu_seconds` has it.
    """
    try:
        return time.clock_gettime(~pid << 3 | _CPU_CLOCK)
    except OSError:
        return 0.0


def ended_cpu_seconds(pid: int) -> float:
    """What the children of a process used that have ended and were waited for (cutime + cstime)."""
    fields = _stat_fields(pid)
    return (int(fields[13]) + int(fields[14])) / _TICKS if fields else 0.0


def machine_cpu_seconds() -> float:
    """What all processes, the kernel and interrupts have used since the start of the machine, all cores together."""
    user, nice, system, _, _, irq, softirq, *_ = map(int, (PROC / "stat").read_text().split()[1:9])
    return (user + nice + system + irq + softirq) / _TICKS


def children(pid: int) -> list[int]:
    """The processes that `pid` has started and that are still there."""
    found: list[int] = []
    for path in PROC.glob(f"{pid}/task/*/children"):
        try:
            found += map(int, path.read_text().split())
        except OSError:
            continue
    return found


def command_line(pid: int) -> str:
    try:
        return (PROC / str(pid) / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""


def memory_mb(pid: int) -> float | None:
    """Its proportional share (PSS) in MB of 10^6 bytes; None where we may not look."""
    try:
        lines = (PROC / str(pid) / "smaps_rollup").read_text().splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) * 1024 / 1e6 for line in lines if line.startswith("Pss:")), None)


def _stat_fields(pid: int) -> list[str]:
    """Of `stat`, from the third one (state) on: the second may hold spaces."""
    try:
        return (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []
