"""Landlock: a process gives up, for itself and its children, every file but those it names (landlock(7)).

It needs no privilege and cannot be undone. Descriptors that are open already stay usable: close them first. Also given up
where the kernel can: TCP (version 4), signals to and abstract sockets of processes outside (version 6).
"""

import ctypes
import functools
import os
import stat
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from pilothouse.confinement.syscalls import libc
from pilothouse.domain.errors import UnavailableError

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
"""Numbers of the system calls, the same on x86-64 and ARM64."""
_CREATE_VERSION = 1
_RULE_PATH, _RULE_PORT = 1, 2
_PR_SET_NO_NEW_PRIVS = 38
_RESTRICT_ALL_THREADS = 1 << 3  # since ABI 8

_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1, 2, 4, 8
_FIRST_ABI = (1 << 13) - 1
"""All rights of ABI 1, bits 0 to 12. A kernel refuses rights of a later ABI than its own."""
_REFER, _TRUNCATE, _IOCTL_DEVICE = 1 << 13, 1 << 14, 1 << 15
_READ = _EXECUTE | _READ_FILE | _READ_DIR
_OF_FILES = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE | _IOCTL_DEVICE
_BIND, _CONNECT = 1, 2
_SCOPE_ABSTRACT_SOCKETS, _SCOPE_SIGNALS = 1, 2


class _Ruleset(ctypes.Structure):
    _fields_ = [("fs", ctypes.c_uint64), ("net", ctypes.c_uint64), ("scoped", ctypes.c_uint64)]


class _PathRule(ctypes.Structure):
    _pack_ = 1
    _layout_ = "ms"  # the only one for a packed structure; Python 3.14 wants it said
    _fields_ = [("access", ctypes.c_uint64), ("parent", ctypes.c_int32)]


class _PortRule(ctypes.Structure):
    _fields_ = [("access", ctypes.c_uint64), ("port", ctypes.c_uint64)]


@functools.cache
def abi() -> int:
    """Landlock version of the kernel, 0 where there is none."""
    if sys.platform != "linux":
        return 0
    return max(0, int(libc().syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), _CREATE_VERSION)))


def restrict(
    read: Sequence[Path],
    write: Sequence[Path],
    tcp_bind: Sequence[int] | None,
    tcp_connect: Sequence[int] | None,
    version: int | None = None,
) -> None:
    """Irrevocably leave this process ``read`` to read and execute, ``write`` to do anything in, and nothing else.

    Paths are files or folders (all that is beneath); a path that does not exist is left out. For TCP, None leaves it
    open and ``()`` denies it, which takes version 4: before, the network is another layer's. ``version`` is used in place
    of the kernel's own where it is older. Call it while there is one thread: others would keep their access. Raises
    UnavailableError where the kernel cannot do what is asked.
    """
    version = abi() if version is None else min(version, abi())
    if not version:
        raise UnavailableError(
            "this kernel has no Landlock: expected Linux 5.13 or later with Landlock enabled"
        )
    threads = len(os.listdir("/proc/self/task"))  # noqa: PTH208
    if version < 8 and threads > 1:
        raise UnavailableError(
            f"{threads} threads run already: restrict a process before it starts a second one"
        )
    handled = _handled(version)
    net = (_BIND if tcp_bind is not None else 0) | (_CONNECT if tcp_connect is not None else 0)
    net = net if version >= 4 else 0
    scoped = _SCOPE_ABSTRACT_SOCKETS | _SCOPE_SIGNALS if version >= 6 else 0
    attributes = _Ruleset(handled, net, scoped)
    size = 8 if version < 4 else 16 if version < 6 else 24
    ruleset = _call(_CREATE_RULESET, ctypes.byref(attributes), ctypes.c_size_t(size), 0)
    try:
        for path, access in [*((p, handled & _READ) for p in read), *((p, handled) for p in write)]:
            _allow_path(ruleset, path, access)
        _allow_ports(ruleset, _BIND, (tcp_bind or ()) if net else ())
        _allow_ports(ruleset, _CONNECT, (tcp_connect or ()) if net else ())
        if libc().prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0):
            raise UnavailableError("the kernel refused no_new_privs, which Landlock needs")
        _call(_RESTRICT_SELF, ruleset, _RESTRICT_ALL_THREADS if version >= 8 else 0)
    finally:
        os.close(ruleset)


def _handled(version: int) -> int:
    later = ((2, _REFER), (3, _TRUNCATE), (5, _IOCTL_DEVICE))
    return _FIRST_ABI | sum(right for since, right in later if version >= since)


def _allow_path(ruleset: int, path: Path, access: int) -> None:
    try:
        descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return
    try:
        if not stat.S_ISDIR(os.fstat(descriptor).st_mode):
            access &= _OF_FILES
        _call(_ADD_RULE, ruleset, _RULE_PATH, ctypes.byref(_PathRule(access, descriptor)), 0)
    finally:
        os.close(descriptor)


def _allow_ports(ruleset: int, access: int, ports: Iterable[int]) -> None:
    for port in ports:
        _call(_ADD_RULE, ruleset, _RULE_PORT, ctypes.byref(_PortRule(access, port)), 0)


def _call(number: int, *arguments: object) -> int:
    answer = int(libc().syscall(number, *arguments))
    if answer < 0:
        code = ctypes.get_errno()
        raise UnavailableError(f"Landlock refused a rule: {os.strerror(code)}")
    return answer
