"""What the system says of processes: for tests that look at workers from outside."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from patience import PATIENCE

_TICKS = os.sysconf("SC_CLK_TCK")


def cpu(pid: int) -> float:
    """Seconds of CPU; OSError when it is gone."""
    return time.clock_gettime(~pid << 3 | 2)


def is_alive(pid: int) -> bool:
    try:
        return stat(pid)[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def stat(pid: int) -> list[str]:
    """The fields of proc(5) stat from the third on, the state."""
    return Path(f"/proc/{pid}/stat").read_text().rsplit(") ", 1)[1].split()


def status(pid: int) -> dict[str, str]:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def descriptors(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def resident(pid: int) -> int:
    """kB."""
    return int(status(pid)["VmRSS"].split()[0])


def proportional(pid: int) -> int:
    """PSS in kB: shared pages count by their share. Needs to be root, or the process dumpable."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1])
    raise AssertionError("no Pss")


def copied(pid: int) -> int:
    """kB of pages that it has written to and shares with nobody. Needs to be root, or the process dumpable."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Private_Dirty:"):
            return int(line.split()[1])
    raise AssertionError("no Private_Dirty")


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


async def until(is_so: Callable[[], bool]) -> None:
    """For what no event tells of."""
    async with asyncio.timeout(PATIENCE):
        while not is_so():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


@contextmanager
def never_longer_than(seconds: float) -> Iterator[None]:
    """For what must not block: a call that does is interrupted with a TimeoutError."""

    def interrupt(number: int, frame: object) -> None:
        raise TimeoutError(f"blocked for {seconds} s")

    before = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


async def gone(pids: Iterable[int]) -> None:
    pids = list(pids)
    await until(lambda: not any(is_alive(pid) for pid in pids))


class Lateness:
    """`worst`: seconds that a callback of this loop was too late, while the block lasted."""

    def __init__(self) -> None:
        self.worst = 0.0

    def __enter__(self) -> Self:
        self._due = time.monotonic()
        self._look()
        return self

    def __exit__(self, *_: object) -> None:
        self._look()
        self._timer.cancel()

    def _look(self) -> None:
        now = time.monotonic()
        self.worst = max(self.worst, now - self._due)
        self._due = now + 0.01
        self._timer = asyncio.get_running_loop().call_at(self._due, self._look)


class Noise:
    """How much of the machine others have used since this was made: times say nothing beside them."""

    def __init__(self) -> None:
        self._begin = time.monotonic(), _busy() - _used(os.getpid())

    def cores(self) -> float:
        begin, before = self._begin
        return (_busy() - _used(os.getpid()) - before) / (time.monotonic() - begin)


def _busy() -> float:
    """Seconds that all CPUs together have worked, or were kept from it by the host of this virtual machine."""
    user, nice, system, _, _, irq, softirq, steal = map(int, Path("/proc/stat").read_text().split()[1:9])
    return (user + nice + system + irq + softirq + steal) / _TICKS


def _used(pid: int) -> float:
    """Seconds of CPU of a process, of its children that are dead, and of those that live."""
    try:
        used = sum(map(int, stat(pid)[11:15])) / _TICKS
        return used + sum(map(_used, children(pid)))
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
