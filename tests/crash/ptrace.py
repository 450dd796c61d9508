"""What the kernel offers to one who traces: stop a process at some of its calls, and see which. Linux only.

No privilege is needed: a process may filter its own calls and trace its own children. The constants are from
<linux/ptrace.h>, <linux/prctl.h>, <linux/seccomp.h> and <linux/filter.h>.
"""

import ctypes
import os
import platform
import struct
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

CONTINUE, LISTEN, SEIZE, GET_EVENT_MESSAGE, GET_SYSCALL_INFO = 7, 0x4208, 0x4206, 0x4201, 0x420E
EVENT_CALL, EVENT_STOP, EVENTS_NEW = 7, 128, (1, 2, 3)
ALL_THREADS = 0x40000000
OPTIONS = 0x2 | 0x4 | 0x8 | 0x80 | 0x100000
"""Trace what is forked and cloned as well, stop where the filter says so, and let nobody outlive the tracer."""

_NO_NEW_PRIVILEGES, _SET_SECCOMP, _MODE_FILTER = 38, 22, 2
_LOAD, _EQUALS, _HAS_BITS, _RETURN = 0x20, 0x15, 0x45, 0x06
_TRACE, _ALLOW = 0x7FF00000, 0x7FFF0000
_ARGUMENTS = 16  # where they begin in what a filter sees

CALLS: Mapping[str, Mapping[str, int]] = {
    "x86_64": {
        "write": 1, "pwrite64": 18, "writev": 20, "pwritev": 296, "pwritev2": 328, "fsync": 74, "fdatasync": 75,
        "truncate": 76, "ftruncate": 77, "fallocate": 285, "rename": 82, "renameat": 264, "renameat2": 316,
        "unlink": 87, "unlinkat": 263, "openat": 257, "open": 2, "link": 86, "linkat": 265,
        "copy_file_range": 326, "sendfile": 40, "io_uring_setup": 425, "syncfs": 306,
    },
    "aarch64": {
        "write": 64, "pwrite64": 68, "writev": 66, "pwritev": 70, "pwritev2": 287, "fsync": 82, "fdatasync": 83,
        "truncate": 45, "ftruncate": 46, "fallocate": 47, "renameat": 38, "renameat2": 276, "unlinkat": 35,
        "openat": 56, "linkat": 37, "copy_file_range": 285, "sendfile": 71,
        "io_uring_setup": 425, "syncfs": 267,
    },
}  # fmt: skip
"""Numbers of the calls that change files, by machine."""

_FLAGS_OF = {"openat": 2, "open": 1}
"""Which argument says how a file is opened: only what empties a file is of interest."""


class _Instruction(ctypes.Structure):
    _fields_ = (("code", ctypes.c_ushort), ("jt", ctypes.c_ubyte), ("jf", ctypes.c_ubyte), ("k", ctypes.c_uint32))


class _Filter(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.POINTER(_Instruction)))


_libc = ctypes.CDLL(None, use_errno=True)
_libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
_libc.ptrace.restype = ctypes.c_long
_libc.prctl.argtypes = [ctypes.c_int] + [ctypes.c_void_p] * 4


def is_possible() -> bool:
    """Whether this machine lets a process trace its children."""
    if sys.platform != "linux" or platform.machine() not in CALLS:
        return False
    scope = Path("/proc/sys/kernel/yama/ptrace_scope")
    restricted = int(scope.read_text()) if scope.exists() else 0
    return restricted < (3 if os.geteuid() == 0 else 2)


def ptrace(request: int, pid: int, address: int = 0, data: int = 0) -> None:
    """Make a request about a traced process.

    Raises:
        OSError: the kernel refuses; ProcessLookupError where the process is gone, or does not stand still.
    """
    if _libc.ptrace(request, pid, address, data) < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


def event_message(pid: int) -> int:
    """What an event is about: the process that was made."""
    message = ctypes.c_ulong()
    ptrace(GET_EVENT_MESSAGE, pid, 0, ctypes.addressof(message))
    return message.value


def call_of(pid: int) -> tuple[str, Sequence[int]]:
    """The call that a process stands before: its name and its arguments."""
    found = ctypes.create_string_buffer(88)
    ptrace(GET_SYSCALL_INFO, pid, len(found), ctypes.addressof(found))
    number, *arguments = struct.unpack_from("=Q6q", found, 24)
    return _NAMES[number], arguments


def filter_calls() -> None:
    """From now on this process stops at the calls that change files, and so does everything it starts."""
    steps = [_Instruction(_LOAD, 0, 0, 0)]
    for name, number in CALLS[platform.machine()].items():
        if name in _FLAGS_OF:
            steps += [
                _Instruction(_EQUALS, 0, 4, number),
                _Instruction(_LOAD, 0, 0, _ARGUMENTS + 8 * _FLAGS_OF[name]),
                _Instruction(_HAS_BITS, 0, 1, os.O_TRUNC),
                _Instruction(_RETURN, 0, 0, _TRACE),
                _Instruction(_RETURN, 0, 0, _ALLOW),
            ]
        else:
            steps += [_Instruction(_EQUALS, 0, 1, number), _Instruction(_RETURN, 0, 0, _TRACE)]
    steps.append(_Instruction(_RETURN, 0, 0, _ALLOW))
    program = _Filter(len(steps), (_Instruction * len(steps))(*steps))
    if _libc.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0) or _libc.prctl(
        _SET_SECCOMP, _MODE_FILTER, ctypes.byref(program), 0, 0
    ):
        raise OSError(ctypes.get_errno(), "The filter could not be installed.")


_NAMES: Mapping[int, str] = {number: name for name, number in CALLS.get(platform.machine(), {}).items()}
