"""What walls this system has. Each is tried for real in a forked child that ends at once."""

from __future__ import annotations

import json
import os
import platform
import resource
import sys
from collections.abc import Callable

from ivrnode.script.guest import kernel, landlock, lockdown, seccomp

_ANY_UID = 65534


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
    seccomp.install(seccomp.assemble())
    lockdown.check()


def _landlock() -> None:
    kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
    landlock.restrict()


def _uid() -> None:
    os.setgroups([])
    os.setresgid(_ANY_UID, _ANY_UID, _ANY_UID)
    os.setresuid(_ANY_UID, _ANY_UID, _ANY_UID)


def main() -> None:
    """Print one JSON object; its keys are the fields of `Walls`."""
    found = {
        "machine": platform.machine(),
        "seccomp": seccomp.is_supported() and _works(_filter),
        "landlock": landlock.abi() if _works(_landlock) else 0,
        "uid_change": os.geteuid() == 0 and _works(_uid),
    }
    sys.stdout.write(json.dumps(found))
