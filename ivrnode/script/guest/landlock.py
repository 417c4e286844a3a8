"""Landlock: every file and network right handled, none granted. A second lock on the door that seccomp holds.

linux/landlock.h, landlock(7). The system calls have the same numbers on every architecture.
"""

from __future__ import annotations

import os
import struct

from ivrnode.script.guest import kernel

_CREATE_RULESET, _RESTRICT_SELF = 444, 446
_CREATE_RULESET_VERSION = 1

# File rights known since ABI 1, 2 (refer), 3 (truncate), 5 (ioctl on devices); from 4 on TCP bind and connect; from 6
# on abstract sockets and signals can be scoped.
_FILE_RIGHTS = {1: 13, 2: 14, 3: 15, 4: 15, 5: 16}
_TCP_RIGHTS = 0b11
_SCOPES = 0b11


def abi() -> int:
    """The kernel's Landlock version, 0 without Landlock."""
    try:
        return kernel.syscall(_CREATE_RULESET, None, 0, _CREATE_RULESET_VERSION)
    except OSError:
        return 0


def restrict() -> None:
    """Take every right that Landlock knows from this process. Without Landlock nothing happens. Raises OSError."""
    version = abi()
    if not version:
        return
    rights = (1 << _FILE_RIGHTS.get(version, 16)) - 1
    attributes = struct.pack("<QQQ", rights, _TCP_RIGHTS if version >= 4 else 0, _SCOPES if version >= 6 else 0)
    size = 24 if version >= 6 else 16 if version >= 4 else 8
    ruleset = kernel.syscall(_CREATE_RULESET, attributes[:size], size, 0)
    try:
        kernel.syscall(_RESTRICT_SELF, ruleset, 0)
    finally:
        os.close(ruleset)
