"""The lock-down of one worker, in the one order that works. Any step that fails ends the worker before READY.

1  its socket to fd 3, everything else closed       6  no_new_privs
2  resource limits, all but NOFILE                  7  Landlock
3  nice +5                                          8  NOFILE 4: after Landlock, which needs a descriptor
4  as root: a user id of its own                    9  seccomp
5  not dumpable, dies with the zygote: after the   10  self-check: what must fail, fails
   uid change, which clears PDEATHSIG
"""

from __future__ import annotations

import contextlib
import mmap
import os
import resource
import signal
from typing import Any

from ivrnode.script.guest import kernel, landlock, seccomp

FD = 3
_CLOSE_RANGE = 436
_STACK = 8 * 1024 * 1024
# SCHED_IDLE and nice 19 starve other tenants' scripts too; +5 keeps media first and the rest fair.
_NICE = 5


class LockdownError(Exception):
    """The walls are not up: no script may run here."""


def keep_only(fd: int) -> None:
    """Step 1."""
    if fd != FD:
        os.dup2(fd, FD, inheritable=False)
    for closed in (0, 1, 2):
        with contextlib.suppress(OSError):  # it was not open
            os.close(closed)
    try:
        kernel.syscall(_CLOSE_RANGE, FD + 1, 0xFFFFFFFF, 0)
    except OSError:
        os.closerange(FD + 1, 65536)  # before Linux 5.9


def lock_down(zygote: int, limits: dict[str, Any], size: tuple[int, int], uid: int, code: bytes) -> None:
    """Steps 2 to 10, for good. `size` is data and address space of the zygote in bytes; `uid` 0 keeps the user; `code`
    is the filter."""
    set_limits(limits, size)
    for name in ("NPROC", "MEMLOCK", "MSGQUEUE"):
        _limit(name, 0)
    os.nice(_NICE)
    if uid:
        os.setgroups([])
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)
    kernel.prctl(kernel.PR_SET_DUMPABLE, 0)
    die_with(zygote)
    kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
    landlock.restrict()
    _limit("NOFILE", FD + 1)
    seccomp.install(code)
    check()


def set_limits(limits: dict[str, Any], size: tuple[int, int]) -> None:
    """Step 2, what every Unix has; the only one that unsafe mode keeps."""
    _limit("DATA", size[0] + limits["memory"])
    _limit("AS", size[1] + limits["address_space"])
    _limit("CPU", limits["cpu_call_seconds"], margin=1)  # SIGXCPU first: it tells itself apart from any other kill
    _limit("STACK", _STACK)
    _limit("FSIZE", 0)
    _limit("CORE", 0)


def die_with(zygote: int) -> None:
    kernel.prctl(kernel.PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != zygote:
        raise LockdownError("the zygote is gone")  # it died before we could ask to be told


def check() -> None:
    """Step 10. Without a filter, stat works for everyone and Landlock does not stop it."""
    try:
        os.stat("/")  # noqa: PTH116 (one system call, no more)
    except PermissionError:
        pass
    else:
        raise LockdownError("the filter is not on: stat works")
    try:
        mmap.mmap(-1, mmap.PAGESIZE)
    except PermissionError:
        return
    raise LockdownError("the filter is not on: shared memory works")


def _limit(name: str, value: int, margin: int = 0) -> None:
    """Not above what is allowed already. `margin`: how far the hard limit lies above the soft one."""
    kind = getattr(resource, "RLIMIT_" + name)
    hard = resource.getrlimit(kind)[1]
    wanted = value + margin if hard == resource.RLIM_INFINITY else min(value + margin, hard)
    resource.setrlimit(kind, (min(value, wanted), wanted))
