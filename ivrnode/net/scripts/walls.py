"""What this system can put around a script. Asked once, by trying: see `script/guest/probe.py`."""

from __future__ import annotations

import functools
import json
import subprocess
from dataclasses import dataclass

from ivrnode.net.scripts.zygote import COMMAND, ROOT

_PROBE = "import sys; sys.path.append(sys.argv[1]); from ivrnode.script.guest.probe import main; main()"
_SECONDS = 20


@dataclass(frozen=True, slots=True)
class Walls:
    """`seccomp`: the filter works here. `landlock`: its ABI, 0 = none. `uid_change`: a user id per worker. `pidfd`: a
    process can be watched and killed without its number (Linux 5.3). `cgroup`: of memory: writable, read-only or ""."""

    machine: str = ""
    seccomp: bool = False
    landlock: int = 0
    uid_change: bool = False
    pidfd: bool = False
    cgroup: str = ""

    def __str__(self) -> str:
        found = [
            "seccomp" if self.seccomp else "no seccomp",
            f"Landlock ABI {self.landlock}" if self.landlock else "no Landlock",
            "a user for each script" if self.uid_change else "one user for all scripts",
            "pidfd" if self.pidfd else "no pidfd",
            f"memory cgroup {self.cgroup}" if self.cgroup else "no memory cgroup",
        ]
        return f"{', '.join(found)} ({self.machine or 'unknown machine'})"

    @property
    def can_run(self) -> bool:
        """Whether scripts can be run here, and locked down."""
        return self.seccomp and self.pidfd

    def warnings(self) -> list[str]:
        """What the operator should know, one line each."""
        lines = []
        if not self.seccomp:
            lines.append(f"no seccomp filter for scripts on this system ({self.machine or 'unknown machine'})")
            lines.append("no seccomp: a file of sound that breaks its decoder is held by limits and Landlock alone")
        if not self.pidfd:
            lines.append("no pidfd (before Linux 5.3): no script can be run at all")
        if not self.landlock:
            lines.append("no Landlock: seccomp alone keeps scripts from files and network")
        if not self.uid_change:
            lines.append("not root: all scripts run as this user")
        return lines


@functools.cache
def probe() -> Walls:
    """Blocks for about 0.1 s, the first time."""
    try:
        done = subprocess.run(
            [*COMMAND, _PROBE, ROOT],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            env={},
            timeout=_SECONDS,
            check=True,
        )
        return Walls(**json.loads(done.stdout))
    except (OSError, subprocess.SubprocessError, ValueError, TypeError):
        return Walls()
