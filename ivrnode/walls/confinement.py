"""The lock-down of a process of ours that works on what strangers made: the decoder of sound, the speech process.

1  descriptors: 0 and 3 at most                     5  no_new_privs
2  first to die when memory is short; limits, all   6  Landlock: reading in the folders named, no more
   but NOFILE
3  as root: another user, if the files named are    7  NOFILE: after Landlock, which needs descriptors
   open to it; no groups                            8  seccomp, and a check that it is on
4  not dumpable: nobody looks into it

A kernel without seccomp leaves out the eighth: this code is ours until a file or a text breaks it, so that is no reason
not to run it. Any other step that fails ends the process.
"""

from __future__ import annotations

import contextlib
import os
import resource
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO

from ivrnode.walls import kernel, landlock, seccomp, steps

DECODER, SPEECH = 65520, 65521
"""User ids that nobody else has: right behind those that systemd keeps for users without a name, which scripts get."""
INPUT, OUTPUT = 0, 3
WRITING = seccomp.on_descriptors([OUTPUT])
_DESCRIPTORS = 16
_MEMORY = 256 * 1024 * 1024
"""Bytes of address space beyond what the process has when it is locked down."""
_NOTHING = ("NPROC", "FSIZE", "CORE", "MEMLOCK", "MSGQUEUE")


def take_output() -> BinaryIO:
    """What was descriptor 1, as 3, for the answers alone: what C code prints must not get into them. All others are
    closed but 0 and 2."""
    os.dup2(1, OUTPUT, inheritable=False)
    os.close(1)
    steps.close_from(OUTPUT + 1)
    return os.fdopen(OUTPUT, "wb", closefd=False)  # nothing can be closed behind the filter


def confine(uid: int, rules: seccomp.Rules, cpu_seconds: int, readable: Iterable[Path] = ()) -> None:
    """Lock this process down, for good, when all that it needs is imported. Raises OSError, LockdownError.

    `uid`: the user to be where we are root. `readable`: folders whose files may still be opened.
    """
    readable = list(readable)
    steps.die_first()
    for name, value in {**dict.fromkeys(_NOTHING, 0), "CPU": cpu_seconds, "AS": _size() + _MEMORY}.items():
        steps.limit(name, value)
    if os.geteuid() == 0 and _is_open_to(uid, readable):
        with contextlib.suppress(PermissionError):  # a root that may not change its user
            steps.become(uid)
    kernel.prctl(kernel.PR_SET_DUMPABLE, 0)
    kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
    landlock.restrict(readable)
    steps.limit("NOFILE", _DESCRIPTORS)
    os.close(2)  # nor onto a terminal; up to here it told of a step that failed
    if seccomp.is_there():
        seccomp.install(seccomp.assemble(rules))
        steps.check_filter()


def _size() -> int:
    """Address space of this process in bytes. See proc(5), statm."""
    return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()


def _is_open_to(uid: int, folders: Iterable[Path]) -> bool:
    """False for what lies in a home of root's. As root."""
    try:
        os.seteuid(uid)
    except PermissionError:
        return False
    try:
        return all(os.access(file, os.R_OK, effective_ids=True) for folder in folders for file in folder.iterdir())
    except OSError:
        return False
    finally:
        os.seteuid(0)
