"""Filter of system calls (seccomp(2)): a process gives up, for itself and its children, calls that no fit and no prediction
needs.

A refused call answers ``EPERM``, so that a library takes another way; ``ENOSYS`` where the C library has one of its own. The
filter is a program of classic BPF, which sees a call's number and its arguments, never what they point to.
"""

import ctypes
import mmap
import os
import platform
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from errno import ENOSYS, EPERM

from pilothouse.confinement.syscalls import checked, is_known_processor, libc, number_of

_PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP, _MODE_FILTER = 38, 22, 2
_ALLOW, _ERRNO, _KILL_PROCESS = 0x7FFF0000, 0x00050000, 0x80000000
_ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_X32 = 0x40000000
"""Bit of the calls of x86-64's second table, by which a filter could be passed."""
_LOAD, _AND, _JUMP_EQUAL, _JUMP_ABOVE, _JUMP_ANY, _RETURN = 0x20, 0x54, 0x15, 0x35, 0x45, 0x06
_NUMBER, _ARCHITECTURE, _FIRST_ARGUMENT = 0, 4, 16
_NEW_NAMESPACES = 0x7E020000
"""``CLONE_NEW…`` of clone(2)."""
_WHO_PROCESS = 1  # of ioprio_set(2)

_REFUSED = (
    # memory and control of other processes; processors are given to a step once, and not widened
    "sched_setaffinity",
    *("ptrace", "process_vm_readv", "process_vm_writev", "process_madvise", "process_mrelease", "pidfd_getfd", "kcmp"),
    *("move_pages", "migrate_pages"),
    # mounts and namespaces
    *("mount", "umount2", "pivot_root", "chroot", "open_tree", "move_mount", "fsopen", "fsconfig", "fsmount", "fspick"),
    *("mount_setattr", "setns", "unshare", "open_by_handle_at", "fanotify_init"),
    # keyrings and the kernel's own programs
    *("add_key", "request_key", "keyctl", "bpf", "perf_event_open", "userfaultfd"),
    # clocks and the machine
    *("clock_settime", "clock_adjtime", "adjtimex", "settimeofday", "reboot", "kexec_load", "kexec_file_load"),
    *("init_module", "finit_module", "delete_module", "swapon", "swapoff", "iopl", "ioperm", "acct", "quotactl"),
    *("quotactl_fd", "syslog", "vhangup", "sethostname", "setdomainname"),
    # memory that lies in no folder and is counted nowhere, and queues of all processes
    *("memfd_create", "memfd_secret", "shmget", "shmat", "shmctl", "msgget", "msgsnd", "msgrcv", "msgctl", "semget", "semop"),
    *("semtimedop", "semctl", "mq_open", "mq_unlink"),
)  # fmt: skip
_INTERNET = (2, 10)
"""AF_INET and AF_INET6."""
_CONNECTED = (1, 5)
"""Types of sockets that are connected for good when they are made as a pair: SOCK_STREAM and SOCK_SEQPACKET."""
_OWNERS_BY_FCNTL, _OWNERS_BY_IOCTL = (8, 15), (0x8901, 0x8902)
"""F_SETOWN, F_SETOWN_EX, FIOSETOWN, SIOCSPGRP: they name a process that gets a signal of one's choice when a file is ready."""
_UNKNOWN = ("io_uring_setup", "io_uring_enter", "io_uring_register", "clone3")
"""Calls that answer ENOSYS: the C library then uses clone(2), whose flags can be seen."""
_OF_OTHERS = ("prlimit64", "sched_setscheduler", "sched_setparam", "sched_setattr")
"""Calls whose first argument names a process: 0, the caller, is left."""
_CHANGES_OF_FILES = (
    *("truncate", "chmod", "fchmod", "fchmodat", "fchmodat2", "chown", "fchown", "lchown", "fchownat", "setxattr"),
    *("lsetxattr", "fsetxattr", "removexattr", "lremovexattr", "fremovexattr", "utime", "utimes", "futimesat", "utimensat"),
    *("setxattrat", "removexattrat", "file_setattr"),
)  # fmt: skip
"""Changes of files that Landlock leaves alone, lengths before its version 3."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What a filter refuses beside what every filter refuses."""

    unix_sockets: bool = False
    """AF_UNIX sockets are left, to connect by a path; else pairs alone."""
    connections: bool = False
    """Connections to others by IPv4 and IPv6 are left, and nothing that others could connect to."""
    shares_files: bool = False
    """Files of others can be seen: changes that Landlock leaves alone are refused."""
    shares_processes: bool = False
    """Processes of others can be named: signals go to the caller and its group alone."""


class _Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("instructions", ctypes.c_void_p)]


class _Instruction(ctypes.Structure):
    _fields_ = [
        ("code", ctypes.c_uint16),
        ("if_true", ctypes.c_uint8),
        ("if_false", ctypes.c_uint8),
        ("value", ctypes.c_uint32),
    ]


_Step = tuple[int, int, int, int]


def install(rules: Rules) -> None:
    """Irrevocably install the filter in this process, for all that it starts. Call it while there is one thread.

    Raises OSError where the kernel refuses.
    """
    steps = list(_program(rules, os.getpid()))
    array = (_Instruction * len(steps))(*(_Instruction(*step) for step in steps))
    program = _Program(len(steps), ctypes.addressof(array))
    checked(libc().prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "no_new_privs")
    checked(libc().prctl(_PR_SET_SECCOMP, _MODE_FILTER, ctypes.byref(program), 0, 0), "seccomp")


def is_possible() -> bool:
    """True where the processor is known and the kernel has filters. Nothing is installed."""
    # an empty program is refused as such (EFAULT) by a kernel that has filters, and as unknown (EINVAL) by another
    return is_known_processor() and _has_filters()


def _has_filters() -> bool:
    libc().prctl(_PR_SET_SECCOMP, _MODE_FILTER, None, 0, 0)
    return ctypes.get_errno() == 14


def _program(rules: Rules, own: int) -> Iterator[_Step]:
    yield _LOAD, 0, 0, _ARCHITECTURE
    yield _JUMP_EQUAL, 1, 0, _ARCHITECTURES[platform.machine()]
    yield _RETURN, 0, 0, _KILL_PROCESS
    yield _LOAD, 0, 0, _NUMBER
    if platform.machine() == "x86_64":
        yield _JUMP_ABOVE, 0, 1, _X32
        yield _RETURN, 0, 0, _ERRNO | ENOSYS
    for name in _REFUSED:
        yield from _on(name, [_refuse(EPERM)])
    for name in _UNKNOWN:
        yield from _on(name, [_refuse(ENOSYS)])
    families = ((1,) if rules.unix_sockets else ()) + (_INTERNET if rules.connections else ())
    yield from _on("socket", _unless(0, families) if families else [_refuse(EPERM)])
    # A pair of datagram sockets can send to any other by its path or name, and be bound to one; these cannot.
    yield from _on("socketpair", [*_unless(0, (1,))[:-1], *_unless(1, _CONNECTED, mask=0xF)])
    if not rules.unix_sockets:
        for name in ("bind", "listen") if rules.connections else ("bind", "connect"):
            yield from _on(name, [_refuse(EPERM)])
    for name in _OF_OTHERS:
        yield from _on(name, _unless(0, (0,)))
    yield from _on("setpriority", [*_unless(0, (0,))[:-1], *_unless(1, (0,))])
    yield from _on("ioprio_set", [*_unless(0, (_WHO_PROCESS,))[:-1], *_unless(1, (0,))])
    yield from _on(
        "clone", [(_LOAD, 0, 0, _argument(0)), (_JUMP_ANY, 0, 1, _NEW_NAMESPACES), _refuse(EPERM), _allow()]
    )
    yield from _on("fcntl", _if_any(1, _OWNERS_BY_FCNTL))
    yield from _on("ioctl", _if_any(1, _OWNERS_BY_IOCTL))
    # memory that several processes share without a file stays when no process maps it any more, and then counts nowhere
    shared = mmap.MAP_SHARED | mmap.MAP_ANONYMOUS
    yield from _on("mmap", [(_LOAD, 0, 0, _argument(3)), (_AND, 0, 0, shared), *_if_equal(shared)])
    for name, index in (("mknod", 1), ("mknodat", 2)):
        yield from _on(name, _no_device(index))
    if rules.shares_files:
        for name in _CHANGES_OF_FILES:
            yield from _on(name, [_refuse(EPERM)])
        yield from _on("openat2", [_refuse(ENOSYS)])
        for name, index in (("open", 1), ("openat", 2)):
            yield from _on(name, _no_truncation(index))
    if rules.shares_processes:
        for name in ("kill", "tkill", "tgkill", "rt_sigqueueinfo", "rt_tgsigqueueinfo"):
            yield from _on(name, _unless(0, (0, own, -own & 0xFFFFFFFF)))
        yield from _on("pidfd_send_signal", [_refuse(EPERM)])
    yield _allow()


def _on(name: str, then: list[_Step]) -> Iterator[_Step]:
    """Steps for one call, which end in a return; on to the next where it is another call."""
    number = number_of(name)
    if number is not None:
        yield _JUMP_EQUAL, 0, len(then), number
        yield from then


def _unless(index: int, allowed: tuple[int, ...], mask: int = 0xFFFFFFFF) -> list[_Step]:
    """Refuse the call unless its argument, of which ``mask`` counts, is one of these numbers of 32 bits."""
    tests = [(_JUMP_EQUAL, len(allowed) - i, 0, value) for i, value in enumerate(allowed)]
    return [(_LOAD, 0, 0, _argument(index)), (_AND, 0, 0, mask), *tests, _refuse(EPERM), _allow()]


def _if_any(index: int, refused: tuple[int, ...]) -> list[_Step]:
    """Refuse the call if its argument is one of these numbers of 32 bits."""
    tests = [(_JUMP_EQUAL, len(refused) - i, 0, value) for i, value in enumerate(refused)]
    return [(_LOAD, 0, 0, _argument(index)), *tests, _allow(), _refuse(EPERM)]


def _if_equal(value: int) -> list[_Step]:
    """Refuse the call if what was loaded is that number."""
    return [(_JUMP_EQUAL, 0, 1, value), _refuse(EPERM), _allow()]


def _no_device(index: int) -> list[_Step]:
    """Refuse a mode that makes a device."""
    kinds = [(_JUMP_EQUAL, 1, 0, stat.S_IFCHR), (_JUMP_EQUAL, 0, 1, stat.S_IFBLK)]
    return [(_LOAD, 0, 0, _argument(index)), (_AND, 0, 0, 0o170000), *kinds, _refuse(EPERM), _allow()]


def _no_truncation(index: int) -> list[_Step]:
    """Refuse to cut a file that is opened for reading alone: Landlock before version 3 sees a reader."""
    mask = os.O_ACCMODE | os.O_TRUNC
    test = (_JUMP_EQUAL, 0, 1, os.O_RDONLY | os.O_TRUNC)
    return [(_LOAD, 0, 0, _argument(index)), (_AND, 0, 0, mask), test, _refuse(EPERM), _allow()]


def _argument(index: int) -> int:
    """Place of the lower 32 bits of an argument; both processors store them first."""
    return _FIRST_ARGUMENT + 8 * index


def _refuse(code: int) -> _Step:
    return _RETURN, 0, 0, _ERRNO | code


def _allow() -> _Step:
    return _RETURN, 0, 0, _ALLOW
