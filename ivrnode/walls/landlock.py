"""Landlock: every file and network right handled, none granted but to read in the folders named. A second lock on the
door that seccomp holds.

linux/landlock.h, landlock(7). The system calls have the same numbers on every architecture.
"""

from __future__ import annotations

import functools
import os
import struct
from collections.abc import Iterable
from pathlib import Path

from ivrnode.walls import kernel

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_CREATE_RULESET_VERSION = 1

# File rights known since ABI 1, 2 (refer), 3 (truncate), 5 (ioctl on devices); from 4 on TCP bind and connect; from 6
# on abstract sockets and signals can be scoped.
_FILE_RIGHTS = {1: 13, 2: 14, 3: 15, 4: 15, 5: 16}
_TCP_RIGHTS = 0b11
_SCOPES = 0b11
_PATH_BENEATH = 1
_READ_FILE = 1 << 2


def abi() -> int:
    """The kernel's Landlock version, 0 without Landlock."""
    try:
        return kernel.syscall(_CREATE_RULESET, None, 0, _CREATE_RULESET_VERSION)
    except OSError:
        return 0


def restrict(readable: Iterable[Path] = ()) -> None:
    """Take every right that Landlock knows from this process, but for reading files in the folders `readable`. Without
    Landlock nothing happens. Raises OSError."""
    attributes = rights()
    if not attributes:
        return
    ruleset = kernel.syscall(_CREATE_RULESET, attributes, len(attributes), 0)
    try:
        for folder in readable:
            _grant(ruleset, folder)
        kernel.syscall(_RESTRICT_SELF, ruleset, 0)
    finally:
        os.close(ruleset)


@functools.cache
def rights() -> bytes:
    """All that this kernel's Landlock knows, as struct landlock_ruleset_attr; empty without Landlock."""
    version = abi()
    if not version:
        return b""
    files = (1 << _FILE_RIGHTS.get(version, 16)) - 1
    attributes = struct.pack("<QQQ", files, _TCP_RIGHTS if version >= 4 else 0, _SCOPES if version >= 6 else 0)
    return attributes[: 24 if version >= 6 else 16 if version >= 4 else 8]


def _grant(ruleset: int, folder: Path) -> None:
    descriptor = os.open(folder, os.O_PATH | os.O_CLOEXEC)
    try:
        kernel.syscall(_ADD_RULE, ruleset, _PATH_BENEATH, struct.pack("=Qi", _READ_FILE, descriptor), 0)
    finally:
        os.close(descriptor)
