"""The few system calls that Python has no name for, through the C library. Each raises OSError as Python's own do."""

from __future__ import annotations

import ctypes
import os

PR_SET_PDEATHSIG = 1
PR_SET_DUMPABLE = 4
PR_SET_NO_NEW_PRIVS = 38

_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long
_libc.prctl.argtypes = (ctypes.c_int, *[ctypes.c_ulong] * 4)
_trim = getattr(_libc, "malloc_trim", None)  # glibc alone has it


def prctl(option: int, value: int) -> None:
    if _libc.prctl(option, value, 0, 0, 0) < 0:
        _fail()


def syscall(number: int, *arguments: int | bytes | ctypes.Array[ctypes.c_char] | None) -> int:
    """`bytes` and ctypes arrays are passed as pointers, None as a null pointer."""
    given = [ctypes.c_long(value) if isinstance(value, int) else value for value in arguments]
    result: int = _libc.syscall(ctypes.c_long(number), *given)
    if result < 0:
        _fail()
    return result


def give_back_memory() -> None:
    """Of what was freed, all that the C library keeps for later; harmless where it cannot."""
    if _trim is not None:
        _trim(0)


def _fail() -> None:
    number = ctypes.get_errno()
    raise OSError(number, os.strerror(number))
