"""What walls this system has. Each is tried for real in a forked child that ends at once."""

from __future__ import annotations

import json
import os
import platform
import resource
import sys
from collections.abc import Callable
from pathlib import Path

from ivrnode.script.guest import lockdown
from ivrnode.walls import kernel, landlock, seccomp, steps

_ANY_UID = 65534
_CGROUPS, _OWN_GROUPS = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")


def _works(step: Callable[[], None]) -> bool:
    pid = os.fork()
    if pid == 0:
        try:
            step()
        except BaseException:
            os._exit(1)
        os._exit(0)
    return os.waitpid(pid, 0)[1] == 0


def _filter() -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
    seccomp.install(seccomp.assemble(lockdown.RULES))
    lockdown.check()


def _landlock() -> None:
    kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
    landlock.restrict()


def _uid() -> None:
    steps.become(_ANY_UID)


def _pidfd() -> None:
    os.close(os.pidfd_open(os.getpid()))


def _cgroup() -> str:
    """Whether a memory limit could be set for our own group: "writable", "read-only", "" where there are no groups.

    cgroups(7): one line `0::PATH` of version 2, or `N:memory:PATH` of version 1.
    """
    try:
        lines = [line.split(":", 2) for line in _OWN_GROUPS.read_text().splitlines()]
    except OSError:
        return ""
    for number, controllers, path in lines:
        for root in (_CGROUPS / "memory",) if controllers == "memory" else (_CGROUPS,) if number == "0" else ():
            folder = next((place for place in (root / path.lstrip("/"), root) if _limits_memory(place)), None)
            if folder is not None:
                return "writable" if os.access(folder, os.W_OK) else "read-only"
    return ""


def _limits_memory(folder: Path) -> bool:
    """Version 1 has the file in each group; the root of version 2 has the controller, but no limit of its own."""
    try:
        return (folder / "memory.limit_in_bytes").exists() or "memory" in (folder / "cgroup.controllers").read_text()
    except OSError:
        return False


def main() -> None:
    """Print one JSON object; its keys are the fields of `Walls`."""
    found = {
        "machine": platform.machine(),
        "seccomp": seccomp.is_supported() and _works(_filter),
        "landlock": landlock.abi() if _works(_landlock) else 0,
        "uid_change": os.geteuid() == 0 and _works(_uid),
        "pidfd": hasattr(os, "pidfd_open") and _works(_pidfd),
        "cgroup": _cgroup(),
    }
    sys.stdout.write(json.dumps(found))
