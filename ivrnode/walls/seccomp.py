"""The wall: a seccomp filter in classic BPF, written by ourselves, for x86-64 and aarch64 (asm-generic numbers).

Rules say what each system call is answered; a call without a rule kills the process, and so do a foreign architecture
and x32. `computing` is what all our filters begin with: a process that can think, and speak on descriptors it holds.

    read, write                         on the descriptors named, else EBADF
    mmap                                private anonymous memory that cannot be run, else EPERM
    mprotect, madvise                   without EXEC; DONTNEED and FREE only, else EPERM
    PLAIN                               allowed
    REFUSED                             EPERM, so that `open()` or `import x` is a clean exception

linux/seccomp.h, linux/bpf_common.h, seccomp(2). The aarch64 column is written from the same table but was not run.
"""

from __future__ import annotations

import ctypes
import errno
import functools
import platform
import struct
from collections.abc import Iterable, Mapping

from ivrnode.walls import kernel
from ivrnode.walls.calls import NUMBERS

PLAIN = (
    "futex", "clock_gettime", "munmap", "brk", "mremap", "rt_sigreturn", "restart_syscall", "clock_nanosleep",
    "nanosleep", "gettimeofday", "time", "getrandom", "exit", "exit_group", "sched_yield", "gettid", "getpid",
)  # fmt: skip
REFUSED = (
    "open", "openat", "openat2", "creat", "stat", "fstat", "lstat", "newfstatat", "statx", "statfs", "fstatfs",
    "access", "faccessat", "faccessat2", "readlink", "readlinkat", "lseek", "getcwd", "getdents", "getdents64",
    "ioctl", "close", "poll", "ppoll", "uname", "sysinfo", "getuid", "geteuid", "getgid", "getegid", "getresuid",
    "getresgid", "getgroups", "getppid", "getpgrp", "rt_sigaction", "rt_sigprocmask", "sigaltstack", "getrusage",
    "times", "clock_getres", "sched_getaffinity",
)  # fmt: skip

# Machine: (column, AUDIT_ARCH of linux/audit.h).
ARCHITECTURES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}

_LOAD, _JUMP_EQUAL, _JUMP_AT_LEAST, _JUMP_ANY_BIT, _AND, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x54, 0x06
_KILL, _ALLOW, _ERRNO = 0x80000000, 0x7FFF0000, 0x00050000
_NUMBER, _ARCHITECTURE = 0, 4  # offsets in struct seccomp_data
_X32_BIT = 0x40000000

_PROT_READ_WRITE = 0x1 | 0x2
_MAP_NEEDED = 0x02 | 0x20  # PRIVATE, ANONYMOUS
_MAP_KNOWN = _MAP_NEEDED | 0x4000 | 0x20000  # NORESERVE, STACK
_MADV_DONTNEED, _MADV_FREE = 4, 8

_O_CLOEXEC = 0x80000

Instruction = tuple[int, int, int, int]
"""Code, jump if true, jump if false, k."""
Block = tuple[Instruction, ...]
"""What is run for one system call; it returns on every path."""
Rules = Mapping[str, Block]
"""System call: its block. The kernel comes by them in this order."""

_SET_MODE_FILTER, _GET_ACTION_AVAIL = 1, 2


def is_supported(machine: str | None = None) -> bool:
    return (machine or platform.machine()) in ARCHITECTURES


def is_there() -> bool:
    """Whether this kernel takes filters for this machine."""
    if not is_supported():
        return False
    try:
        kernel.syscall(_number("seccomp"), _GET_ACTION_AVAIL, 0, struct.pack("=I", _KILL))
    except OSError:
        return False
    return True


def computing(read: Block, write: Block) -> dict[str, Block]:
    """Rules for a process that computes and, by these blocks, reads and writes."""
    rules = {"read": read, "write": write}
    rules |= dict.fromkeys(PLAIN, ALLOWED)
    rules["mmap"] = (*_no_bits(2, ~_PROT_READ_WRITE), *_no_bits(3, ~_MAP_KNOWN), *_all_bits(3, _MAP_NEEDED))
    rules["mprotect"] = (*_no_bits(2, ~_PROT_READ_WRITE), _answer(_ALLOW))
    rules["madvise"] = _one_of(2, _MADV_DONTNEED, _MADV_FREE)
    return rules | dict.fromkeys(REFUSED, (_answer(_ERRNO | errno.EPERM),))


def program(rules: Rules, machine: str) -> list[Instruction]:
    """The filter for `machine` (KeyError: no table). Kernels read the low half of an int argument, so do we; the high
    half of flags must be 0."""
    column, architecture = ARCHITECTURES[machine]
    code: list[Instruction] = [(_LOAD, 0, 0, _ARCHITECTURE), (_JUMP_EQUAL, 1, 0, architecture), _answer(_KILL)]
    code += [(_LOAD, 0, 0, _NUMBER)]
    if machine == "x86_64":
        code += [(_JUMP_AT_LEAST, 0, 1, _X32_BIT), _answer(_KILL)]
    for name, block in rules.items():
        number = NUMBERS[name][column]
        if number is not None:
            code += [(_JUMP_EQUAL, 0, len(block), number), *block]
    return [*code, _answer(_KILL)]


def assemble(rules: Rules) -> bytes:
    """The filter for this machine as the kernel wants it (KeyError: no table)."""
    return b"".join(struct.pack("<HBBI", *instruction) for instruction in program(rules, platform.machine()))


def install(code: bytes) -> None:
    """Put a filter on this process, for ever. Needs no_new_privs. Raises OSError."""
    number, fprog, _ = ready(code)
    kernel.syscall(number, _SET_MODE_FILTER, 0, fprog)


@functools.cache
def ready(code: bytes) -> tuple[int, bytes, ctypes.Array[ctypes.c_char]]:
    """All that installing a filter needs. Who forks calls it before: then each child has less to do, and to copy."""
    instructions = ctypes.create_string_buffer(code, len(code))
    # struct sock_fprog: u16 length, then, aligned, a pointer.
    fprog = struct.pack("@HP", len(code) // 8, ctypes.addressof(instructions))
    return _number("seccomp"), fprog, instructions


def on_descriptors(descriptors: Iterable[int]) -> Block:
    """Allow for these as the first argument, else EBADF."""
    one_by_one = [line for fd in descriptors for line in ((_JUMP_EQUAL, 0, 1, fd), _answer(_ALLOW))]
    return (_low(0), *one_by_one, _answer(_ERRNO | errno.EBADF))


def only_to_read() -> Block:
    """For openat: no flag but CLOEXEC, else EPERM."""
    return (*_no_bits(2, ~_O_CLOEXEC), _answer(_ALLOW))


def _number(name: str) -> int:
    number = NUMBERS[name][ARCHITECTURES[platform.machine()][0]]
    assert number is not None
    return number


def _answer(action: int) -> Instruction:
    return (_RETURN, 0, 0, action)


def _low(argument: int) -> Instruction:
    return (_LOAD, 0, 0, 16 + 8 * argument)


def _high(argument: int) -> Instruction:
    return (_LOAD, 0, 0, 20 + 8 * argument)


def _no_bits(argument: int, bits: int) -> Block:
    """Go on only when none of these bits is set in the argument, nor any of its high half."""
    refuse = _answer(_ERRNO | errno.EPERM)
    low = (_low(argument), (_JUMP_ANY_BIT, 0, 1, bits & 0xFFFFFFFF), refuse)
    return (*low, _high(argument), (_JUMP_EQUAL, 1, 0, 0), refuse)


def _all_bits(argument: int, bits: int) -> Block:
    """Allow when all of these bits are set."""
    asked = (_low(argument), (_AND, 0, 0, bits), (_JUMP_EQUAL, 1, 0, bits))
    return (*asked, _answer(_ERRNO | errno.EPERM), _answer(_ALLOW))


def _one_of(argument: int, first: int, second: int) -> Block:
    asked = (_low(argument), (_JUMP_EQUAL, 2, 0, first), (_JUMP_EQUAL, 1, 0, second))
    return (*asked, _answer(_ERRNO | errno.EPERM), _answer(_ALLOW))


ALLOWED: Block = (_answer(_ALLOW),)
