"""What a process may still do once it runs somebody else's code.

Limits hold wherever the system knows them. On Linux (x86-64, aarch64) a seccomp filter adds that
the kernel serves none but the calls listed here: files can be read, as modules are, but not
written; there are no processes or threads to start, no sockets to open, nobody to signal. All other
calls fail with EPERM.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import platform
import resource
import struct
import sys
from typing import Final

MEMORY_BYTES_MAX: Final = 1 << 30
FILES_MAX: Final = 64

_PR_SET_NO_NEW_PRIVS: Final = 38
_PR_SET_SECCOMP: Final = 22
_SECCOMP_MODE_FILTER: Final = 2
_KILL: Final = 0x80000000
_ALLOW: Final = 0x7FFF0000
_REFUSE: Final = 0x00050000 | errno.EPERM
_LOAD, _EQUAL, _GREATER, _AND, _RETURN = 0x20, 0x15, 0x25, 0x54, 0x06
_AT_NUMBER, _AT_ARCH, _AT_ARGUMENT = 0, 4, 16
_WRITING: Final = os.O_ACCMODE | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_FCNTL_MAX: Final = 3  # F_GETFL; those above set something, such as who gets signals

# What Python needs to compute, to read modules, to print and to talk over what is open already;
# the calls of a step come first. Two numbers a name: x86-64 and aarch64, None: it has none.
_CALLS: Final[dict[str, tuple[int | None, int | None]]] = {
    "read": (0, 63),
    "write": (1, 64),
    "brk": (12, 214),
    "mmap": (9, 222),
    "munmap": (11, 215),
    "mremap": (25, 216),
    "madvise": (28, 233),
    "mprotect": (10, 226),
    "rt_sigaction": (13, 134),
    "rt_sigprocmask": (14, 135),
    "rt_sigreturn": (15, 139),
    "sigaltstack": (131, 132),
    "restart_syscall": (219, 128),
    "futex": (202, 98),
    "sched_yield": (24, 124),
    "close": (3, 57),
    "stat": (4, None),
    "fstat": (5, 80),
    "lstat": (6, None),
    "newfstatat": (262, 79),
    "statx": (332, 291),
    "lseek": (8, 62),
    "pread64": (17, 67),
    "readv": (19, 65),
    "writev": (20, 66),
    "access": (21, None),
    "faccessat": (269, 48),
    "faccessat2": (439, 439),
    "getcwd": (79, 17),
    "readlink": (89, None),
    "readlinkat": (267, 78),
    "getdents64": (217, 61),
    "getrandom": (318, 278),
    "clock_gettime": (228, 113),
    "clock_getres": (229, 114),
    "clock_nanosleep": (230, 115),
    "nanosleep": (35, 101),
    "gettimeofday": (96, 169),
    "getrusage": (98, 165),
    "getpid": (39, 172),
    "getppid": (110, 173),
    "gettid": (186, 178),
    "getuid": (102, 174),
    "geteuid": (107, 175),
    "getgid": (104, 176),
    "getegid": (108, 177),
    "uname": (63, 160),
    "sysinfo": (99, 179),
    "exit": (60, 93),
    "exit_group": (231, 94),
}
# Those that depend on an argument.
_OPENAT: Final = (257, 56)
_FCNTL: Final = (72, 25)
_PRLIMIT64: Final = (302, 261)
_MACHINES: Final = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}


class _Filter(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p))


def lock() -> bool:
    """Locks this process in, for good. False when the kernel offers no filter, so that only the
    limits hold."""
    set_limits()
    return refuse_calls()


def set_limits() -> None:
    """No large memory, no files, no processes, no core dumps."""
    for name, most in (
        ("RLIMIT_AS", MEMORY_BYTES_MAX),
        ("RLIMIT_NOFILE", FILES_MAX),
        ("RLIMIT_FSIZE", 0),
        ("RLIMIT_CORE", 0),
        ("RLIMIT_NPROC", 0),
    ):
        kind = getattr(resource, name, None)
        if kind is not None:
            # Not every system knows, or grants, each of them.
            with contextlib.suppress(OSError, ValueError):
                resource.setrlimit(kind, (most, most))


def refuse_calls() -> bool:
    """Installs the filter; false where there is none."""
    machine = _MACHINES.get(platform.machine())
    if not sys.platform.startswith("linux") or machine is None or struct.calcsize("P") != 8:
        return False
    instructions = _program(*machine)
    code = b"".join(struct.pack("=HBBI", *instruction) for instruction in instructions)
    libc = ctypes.CDLL(None, use_errno=True)
    # Without it only root may install a filter: a program that gains rights would run under it.
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        return False
    program = _Filter(len(instructions), code)
    mode = ctypes.c_ulong(_SECCOMP_MODE_FILTER)
    return bool(libc.prctl(_PR_SET_SECCOMP, mode, ctypes.byref(program), 0, 0) == 0)


def _program(column: int, arch: int) -> list[tuple[int, int, int, int]]:
    """The filter: it looks at one call at a time and answers. An instruction is its code, how many
    to skip when it holds and when not, and a value."""
    code = [
        (_LOAD, 0, 0, _AT_ARCH),
        (_EQUAL, 1, 0, arch),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, _AT_NUMBER),
    ]
    for numbers in _CALLS.values():
        number = numbers[column]
        if number is not None:
            code += [(_EQUAL, 0, 1, number), (_RETURN, 0, 0, _ALLOW)]
    code += [
        # Files are opened for reading only.
        (_EQUAL, 0, 5, _OPENAT[column]),
        (_LOAD, 0, 0, _AT_ARGUMENT + 2 * 8),
        (_AND, 0, 0, _WRITING),
        (_EQUAL, 0, 1, os.O_RDONLY),
        (_RETURN, 0, 0, _ALLOW),
        (_RETURN, 0, 0, _REFUSE),
        (_EQUAL, 0, 4, _FCNTL[column]),
        (_LOAD, 0, 0, _AT_ARGUMENT + 8),
        (_GREATER, 1, 0, _FCNTL_MAX),
        (_RETURN, 0, 0, _ALLOW),
        (_RETURN, 0, 0, _REFUSE),
        # The limits of this process only.
        (_EQUAL, 0, 4, _PRLIMIT64[column]),
        (_LOAD, 0, 0, _AT_ARGUMENT),
        (_EQUAL, 0, 1, 0),
        (_RETURN, 0, 0, _ALLOW),
        (_RETURN, 0, 0, _REFUSE),
        (_RETURN, 0, 0, _REFUSE),
    ]
    return code
