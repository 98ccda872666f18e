"""Namespaces (namespaces(7)): a process sees files, processes, shared memory and a network of its own.

An ordinary user makes them inside a user namespace in which its own id alone exists; a user who may mount needs none.
Everything here is for a process with one thread that nobody else needs.
"""

import ctypes
import functools
import os
import signal
from pathlib import Path

from pilothouse.confinement.syscalls import checked, libc, number_of

_NEW_MOUNTS, _NEW_IPC, _NEW_USER, _NEW_PROCESSES, _NEW_NETWORK = (
    0x00020000,
    0x08000000,
    0x10000000,
    0x20000000,
    0x40000000,
)
READ_ONLY, NO_SUID, NO_DEVICES, NO_EXECUTION = 1, 2, 4, 8
"""Attributes of mounts, the same in mount(2) and mount_setattr(2)."""
_BIND, _RECURSIVE, _PRIVATE = 0x1000, 0x4000, 0x40000
_DETACH = 2
_AT_CWD, _AT_RECURSIVE = -100, 0x8000
_PR_SET_DUMPABLE, _PR_CAPBSET_DROP, _PR_CAP_AMBIENT, _CLEAR_ALL = 4, 24, 47, 4
_LAST_CAPABILITY = 40
_SYS_ADMIN = 21
_OF_FILES = (1 << 1) | (1 << 2)
"""``CAP_DAC_OVERRIDE`` and ``CAP_DAC_READ_SEARCH``: a daemon of root works in files of others."""
_CAPABILITY_VERSION = 0x20080522


def fork_into(*, network: bool = False) -> int:
    """Fork a child into new namespaces, in which it is the first process: when it ends, all the others do. Returns as
    fork(2) does. With ``network`` it stays in the machine's own network.

    By clone(2) itself: fork and unshare would take one process more. Raises OSError.
    """
    flags = (_flags() & ~(_NEW_NETWORK if network else 0)) | _NEW_PROCESSES | signal.SIGCHLD
    python = ctypes.pythonapi
    python.PyOS_BeforeFork()
    # with the interpreter's lock held, as os.fork does
    pid = int(_locked_libc().syscall(number_of("clone"), ctypes.c_long(flags), None, None, None, None))
    if not pid:
        python.PyOS_AfterFork_Child()
        return 0
    code = ctypes.get_errno()
    python.PyOS_AfterFork_Parent()
    if pid < 0:
        raise OSError(code, f"namespaces: {os.strerror(code)}")
    return pid


def leave() -> None:
    """Move this process into new namespaces for files, IPC and network. Its pid stays. Raises OSError."""
    checked(libc().unshare(_flags()), "namespaces")


def map_own_id() -> None:
    """Give the own user and group their ids in the user namespace, where there is one. Raises OSError."""
    if may_mount():
        return
    user, group = os.geteuid(), os.getegid()
    _write("/proc/self/setgroups", "deny")
    _write("/proc/self/gid_map", f"{group} {group} 1")
    _write("/proc/self/uid_map", f"{user} {user} 1")


def make_private() -> None:
    """Let no later mount of this process be seen elsewhere. Raises OSError."""
    mount(None, "/", None, _RECURSIVE | _PRIVATE)


def mount(source: str | None, target: str, kind: str | None, flags: int, options: str = "") -> None:
    """Mount a file system (mount(2)). Raises OSError."""
    answer = libc().mount(
        source and source.encode(),
        target.encode(),
        kind and kind.encode(),
        ctypes.c_ulong(flags),
        options.encode() or None,
    )
    checked(answer, f"mount of {target}")


def bind(source: str, target: str) -> None:
    """Show a file or folder, with all that is mounted below it, at a second place. Raises OSError."""
    mount(source, target, None, _BIND | _RECURSIVE)


def set_attributes(target: str, *, add: int = 0, clear: int = 0, below: bool = False) -> None:
    """Change attributes of a mount, with ``below`` of all that are below it too. Raises OSError."""
    change = (ctypes.c_uint64 * 4)(add, clear, 0, 0)
    flags = _AT_RECURSIVE if below else 0
    number = number_of("mount_setattr")
    answer = libc().syscall(
        number, ctypes.c_long(_AT_CWD), target.encode(), flags, ctypes.byref(change), ctypes.c_size_t(32)
    )
    checked(answer, f"attributes of {target}")


def pivot_into(root: str, old: str) -> None:
    """Make a mounted folder the root; the root before appears at ``old`` in it. Raises OSError."""
    checked(libc().syscall(number_of("pivot_root"), root.encode(), f"{root}{old}".encode()), "pivot_root")
    os.chdir("/")


def let_go(target: str) -> None:
    """Remove a mount with all that is below it. Raises OSError."""
    checked(libc().umount2(target.encode(), _DETACH), f"umount of {target}")


def drop_capabilities() -> None:
    """Give up every capability, for good; root keeps those over files of others that it has."""
    kept = 0 if os.geteuid() else _OF_FILES & _capabilities("CapPrm")
    library = libc()
    library.prctl(_PR_CAP_AMBIENT, _CLEAR_ALL, 0, 0, 0)
    for capability in range(_LAST_CAPABILITY + 1):
        if not kept >> capability & 1:
            library.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0)
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION, 0)
    data = (ctypes.c_uint32 * 6)(kept, kept, 0, 0, 0, 0)
    checked(library.capset(ctypes.byref(header), ctypes.byref(data)), "capabilities")


def set_inspectable(inspectable: bool) -> None:
    """Let other processes of the same user look into this one, its descriptors and memory, or not."""
    libc().prctl(_PR_SET_DUMPABLE, int(inspectable), 0, 0, 0)


@functools.cache
def may_mount() -> bool:
    """True for root with the right to mount, who needs no user namespace. As it was when first asked."""
    return not os.geteuid() and bool(_capabilities("CapEff") >> _SYS_ADMIN & 1)


def _capabilities(kind: str) -> int:
    """Set of capabilities of this process, as bits."""
    for line in Path("/proc/self/status").read_text("ascii").splitlines():
        if line.startswith(f"{kind}:"):
            return int(line.split()[1], 16)
    return 0


def _flags() -> int:
    return _NEW_MOUNTS | _NEW_IPC | _NEW_NETWORK | (0 if may_mount() else _NEW_USER)


def _write(path: str, text: str) -> None:
    with open(path, "w", encoding="ascii") as file:  # noqa: PTH123
        file.write(text)


@functools.cache
def _locked_libc() -> ctypes.PyDLL:
    library = ctypes.PyDLL(None, use_errno=True)
    library.syscall.restype = ctypes.c_long
    return library
