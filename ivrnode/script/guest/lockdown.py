"""The lock-down of one worker, in the one order that works. Any step that fails ends the worker before READY.

1  its socket to fd 3, everything else closed       6  no_new_privs
2  first to die when memory is short; resource      7  Landlock
   limits, all but NOFILE                           8  NOFILE 4: after Landlock, which needs a descriptor
3  nice +5, batch
4  as root: a user id of its own                    9  seccomp
5  not dumpable, dies with the zygote: after the   10  self-check: what must fail, fails
   uid change, which clears PDEATHSIG
"""

from __future__ import annotations

import os
import signal
from typing import Any

from ivrnode.walls import kernel, landlock, seccomp, steps
from ivrnode.walls.steps import LockdownError, limit

FD = 3
RULES = seccomp.computing(read=seccomp.on_descriptors([FD]), write=seccomp.on_descriptors([FD]))
_STACK = 8 * 1024 * 1024
# SCHED_IDLE and nice 19 starve other tenants' scripts too; +5 keeps media first and the rest fair.
_NICE = 5


def make_ready() -> bytes:
    """The filter, empty where there is none for this machine; with all that can be done before a worker is forked."""
    landlock.rights()
    if not seccomp.is_supported():
        return b""
    code = seccomp.assemble(RULES)
    seccomp.ready(code)
    return code


def keep_only(fd: int) -> None:
    """Step 1."""
    if fd != FD:
        os.dup2(fd, FD, inheritable=False)
    os.closerange(0, FD)
    steps.close_from(FD + 1)


def lock_down(zygote: int, limits: dict[str, Any], size: tuple[int, int], uid: int, code: bytes) -> None:
    """Steps 2 to 10, for good. `size` is data and address space of the zygote in bytes; `uid` 0 keeps the user; `code`
    is the filter."""
    steps.die_first()
    set_limits(limits, size)
    for name in ("NPROC", "MEMLOCK", "MSGQUEUE"):
        limit(name, 0)
    os.nice(_NICE)
    # Who wakes up must not push the core aside: it has news for others, too, and would find its caches cold again.
    os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
    if uid:
        steps.become(uid)
    kernel.prctl(kernel.PR_SET_DUMPABLE, 0)
    die_with(zygote)
    kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
    landlock.restrict()
    limit("NOFILE", FD + 1)
    seccomp.install(code)
    check()


def set_limits(limits: dict[str, Any], size: tuple[int, int]) -> None:
    """Step 2, what every Unix has; the only one that unsafe mode keeps."""
    limit("DATA", size[0] + limits["memory"])
    limit("AS", size[1] + limits["address_space"])
    limit("CPU", limits["cpu_call_seconds"], margin=1)  # SIGXCPU first: it tells itself apart from any other kill
    limit("STACK", _STACK)
    limit("FSIZE", 0)
    limit("CORE", 0)


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
    steps.check_filter()
