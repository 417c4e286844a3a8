"""The wall: a seccomp filter in classic BPF, written by ourselves, for x86-64 and aarch64 (asm-generic numbers).

    foreign architecture, x32           kill
    read, write                         on fd 3 only, else EBADF
    mmap                                private anonymous memory that cannot be run, else EPERM
    mprotect, madvise                   without EXEC; DONTNEED and FREE only, else EPERM
    PLAIN                               allowed
    REFUSED                             EPERM, so that `open()` or `import x` is a clean exception
    everything else                     kill the process

linux/seccomp.h, linux/bpf_common.h, seccomp(2). The aarch64 column is written from the same table but was not run.
"""

from __future__ import annotations

import ctypes
import errno
import platform
import struct

from ivrnode.script.guest import kernel

# Name: (x86-64, aarch64); None where the architecture never had the call.
PLAIN: dict[str, tuple[int | None, int | None]] = {
    "futex": (202, 98),
    "clock_gettime": (228, 113),
    "munmap": (11, 215),
    "brk": (12, 214),
    "mremap": (25, 216),
    "rt_sigreturn": (15, 139),
    "restart_syscall": (219, 128),
    "clock_nanosleep": (230, 115),
    "nanosleep": (35, 101),
    "gettimeofday": (96, 169),
    "time": (201, None),
    "getrandom": (318, 278),
    "exit": (60, 93),
    "exit_group": (231, 94),
    "sched_yield": (24, 124),
    "gettid": (186, 178),
    "getpid": (39, 172),
}
REFUSED: dict[str, tuple[int | None, int | None]] = {
    "open": (2, None),
    "openat": (257, 56),
    "openat2": (437, 437),
    "creat": (85, None),
    "stat": (4, None),
    "fstat": (5, 80),
    "lstat": (6, None),
    "newfstatat": (262, 79),
    "statx": (332, 291),
    "statfs": (137, 43),
    "fstatfs": (138, 44),
    "access": (21, None),
    "faccessat": (269, 48),
    "faccessat2": (439, 439),
    "readlink": (89, None),
    "readlinkat": (267, 78),
    "lseek": (8, 62),
    "getcwd": (79, 17),
    "getdents": (78, None),
    "getdents64": (217, 61),
    "ioctl": (16, 29),
    "close": (3, 57),
    "poll": (7, None),
    "ppoll": (271, 73),
    "uname": (63, 160),
    "sysinfo": (99, 179),
    "getuid": (102, 174),
    "geteuid": (107, 175),
    "getgid": (104, 176),
    "getegid": (108, 177),
    "getresuid": (118, 148),
    "getresgid": (120, 150),
    "getgroups": (115, 158),
    "getppid": (110, 173),
    "getpgrp": (111, None),
    "rt_sigaction": (13, 134),
    "rt_sigprocmask": (14, 135),
    "sigaltstack": (131, 132),
    "getrusage": (98, 165),
    "times": (100, 153),
    "clock_getres": (229, 114),
    "sched_getaffinity": (204, 123),
}
READ, WRITE = (0, 63), (1, 64)
MMAP, MPROTECT, MADVISE = (9, 222), (10, 226), (28, 233)
SECCOMP = (317, 277)

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

_Instruction = tuple[int, int, int, int]  # code, jump if true, jump if false, k

_SECCOMP_SET_MODE_FILTER = 1


def is_supported(machine: str | None = None) -> bool:
    return (machine or platform.machine()) in ARCHITECTURES


def program(machine: str) -> list[_Instruction]:
    """The filter for `machine` (KeyError: no table). Kernels read the low half of an int argument, so do we; the high
    half of prot and flags must be 0."""
    column, architecture = ARCHITECTURES[machine]
    code: list[_Instruction] = [(_LOAD, 0, 0, _ARCHITECTURE), (_JUMP_EQUAL, 1, 0, architecture), _answer(_KILL)]
    code += [(_LOAD, 0, 0, _NUMBER)]
    if machine == "x86_64":
        code += [(_JUMP_AT_LEAST, 0, 1, _X32_BIT), _answer(_KILL)]
    only_fd_3 = [_low(0), (_JUMP_EQUAL, 1, 0, 3), _answer(_ERRNO | errno.EBADF), _answer(_ALLOW)]
    code += _case(READ[column], only_fd_3) + _case(WRITE[column], only_fd_3)
    code += _all_of(PLAIN, column, _ALLOW)
    code += _case(MMAP[column], _no_bits(2, ~_PROT_READ_WRITE) + _no_bits(3, ~_MAP_KNOWN) + _all_bits(3, _MAP_NEEDED))
    code += _case(MPROTECT[column], [*_no_bits(2, ~_PROT_READ_WRITE), _answer(_ALLOW)])
    code += _case(MADVISE[column], _one_of(2, _MADV_DONTNEED, _MADV_FREE))
    code += _all_of(REFUSED, column, _ERRNO | errno.EPERM)
    return [*code, _answer(_KILL)]


def assemble() -> bytes:
    """The filter for this machine as the kernel wants it (KeyError: no table)."""
    return b"".join(struct.pack("<HBBI", *instruction) for instruction in program(platform.machine()))


def install(code: bytes) -> None:
    """Put a filter on this process, for ever. Needs no_new_privs. Raises OSError."""
    instructions = ctypes.create_string_buffer(code, len(code))
    # struct sock_fprog: u16 length, then, aligned, a pointer.
    fprog = struct.pack("@HP", len(code) // 8, ctypes.addressof(instructions))
    column, _ = ARCHITECTURES[platform.machine()]
    kernel.syscall(SECCOMP[column], _SECCOMP_SET_MODE_FILTER, 0, fprog)


def _answer(action: int) -> _Instruction:
    return (_RETURN, 0, 0, action)


def _low(argument: int) -> _Instruction:
    return (_LOAD, 0, 0, 16 + 8 * argument)


def _high(argument: int) -> _Instruction:
    return (_LOAD, 0, 0, 20 + 8 * argument)


def _case(number: int, block: list[_Instruction]) -> list[_Instruction]:
    """`block` for this call; it must return on every path."""
    return [(_JUMP_EQUAL, 0, len(block), number), *block]


def _all_of(calls: dict[str, tuple[int | None, int | None]], column: int, action: int) -> list[_Instruction]:
    code: list[_Instruction] = []
    for numbers in calls.values():
        number = numbers[column]
        if number is not None:
            code += _case(number, [_answer(action)])
    return code


def _no_bits(argument: int, bits: int) -> list[_Instruction]:
    """Go on only when none of these bits is set in the argument, nor any of its high half."""
    refuse = _answer(_ERRNO | errno.EPERM)
    code = [_low(argument), (_JUMP_ANY_BIT, 0, 1, bits & 0xFFFFFFFF), refuse]
    return [*code, _high(argument), (_JUMP_EQUAL, 1, 0, 0), refuse]


def _all_bits(argument: int, bits: int) -> list[_Instruction]:
    """Allow when all of these bits are set."""
    code = [_low(argument), (_AND, 0, 0, bits), (_JUMP_EQUAL, 1, 0, bits)]
    return [*code, _answer(_ERRNO | errno.EPERM), _answer(_ALLOW)]


def _one_of(argument: int, first: int, second: int) -> list[_Instruction]:
    code = [_low(argument), (_JUMP_EQUAL, 2, 0, first), (_JUMP_EQUAL, 1, 0, second)]
    return [*code, _answer(_ERRNO | errno.EPERM), _answer(_ALLOW)]
