"""The steps of a lock-down that all processes share. Each raises when it cannot be done."""

from __future__ import annotations

import contextlib
import mmap
import os
import resource

from ivrnode.walls import kernel

_CLOSE_RANGE = 436


class LockdownError(Exception):
    """The walls are not up: nothing untrusted may be touched here."""


def close_from(fd: int) -> None:
    """Close this descriptor and all above it."""
    try:
        kernel.syscall(_CLOSE_RANGE, fd, 0xFFFFFFFF, 0)
    except OSError:
        os.closerange(fd, 65536)  # before Linux 5.9


def limit(name: str, value: int, margin: int = 0) -> None:
    """RLIMIT_`name`, not above what is allowed already. `margin`: how far the hard limit lies above the soft one."""
    kind = getattr(resource, "RLIMIT_" + name)
    hard = resource.getrlimit(kind)[1]
    wanted = value + margin if hard == resource.RLIM_INFINITY else min(value + margin, hard)
    resource.setrlimit(kind, (min(value, wanted), wanted))


def die_first() -> None:
    """When memory runs out, the kernel ends this process before any of the core's. See proc(5), oom_score_adj."""
    with contextlib.suppress(OSError):  # a /proc that cannot be written to
        descriptor = os.open("/proc/self/oom_score_adj", os.O_WRONLY | os.O_CLOEXEC)
        try:
            os.write(descriptor, b"1000")
        finally:
            os.close(descriptor)


def become(uid: int) -> None:
    """Another user, without groups, for good. Needs root."""
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)


def check_filter() -> None:
    """Shared memory works for everyone, Landlock does not stop it, and no filter of ours lets it through."""
    try:
        mmap.mmap(-1, mmap.PAGESIZE)
    except PermissionError:
        return
    raise LockdownError("the filter is not on: shared memory works")
