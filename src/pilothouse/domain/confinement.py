"""Confinement of processes that run code of users or load model files: what is promised, and which layer of the kernel
holds it.

A promise has more than one layer that can hold it. ``Offered`` says which layers a kernel gives; it is found out by trying
(``confinement/probe.py``).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

NONE = "none"
"""Text for processes that run with the rights of their user."""


@dataclass(frozen=True, slots=True)
class Offered:
    """Layers that a kernel gives to this user."""

    landlock: int = 0
    """Landlock's version; 0 where there is none."""
    seccomp: bool = False
    """A filter of system calls can be installed, and the processor is one whose calls are known here."""
    namespaces: bool = False
    """Namespaces for files, processes, IPC and network can be made, with a root of their own."""


class Promise(StrEnum):
    """What is promised of a confined process."""

    FILES = "files"
    """It reaches its inputs, its folder and its libraries, and no other file."""
    NETWORK = "network"
    """It opens no connection, by any protocol."""
    PROCESSES = "other processes"
    """It neither signals nor reads nor limits a process outside its job."""
    SHARED_MEMORY = "shared memory"
    """It shares no memory with another job, and what it shares within its own is bounded."""
    END = "end of a job"
    """Nothing that it has started lives on."""
    MEMORY = "memory"
    """All its memory together is bounded."""


REQUIRED = tuple(Promise)
"""Promises that ``--isolation require`` requires: all of them."""
_HELP = {
    Promise.FILES: "Landlock (Linux 5.13 or later, switched on with lsm=landlock) together with seccomp, or user namespaces",
    Promise.NETWORK: "seccomp filters or user namespaces",
    Promise.PROCESSES: "seccomp filters or user namespaces",
    Promise.SHARED_MEMORY: "seccomp filters together with Landlock or user namespaces",
}


def held_by(promise: Promise, offered: Offered) -> tuple[str, ...]:
    """Layers that hold a promise, the strongest first; empty where none does.

    Landlock alone holds no promise: it leaves modes, owners and (before version 3) lengths of files alone, and of the network
    it knows TCP only.
    """
    landlock = (f"Landlock {offered.landlock}",) if offered.landlock else ()
    seccomp = ("seccomp",) if offered.seccomp else ()
    match promise:
        case Promise.FILES:
            if offered.namespaces:
                return ("mount namespace", *landlock)
            return (*landlock, *seccomp) if landlock and seccomp else ()
        case Promise.NETWORK:
            return (*(("network namespace",) if offered.namespaces else ()), *seccomp)
        case Promise.PROCESSES:
            return (*(("PID namespace",) if offered.namespaces else ()), *seccomp)
        case Promise.SHARED_MEMORY:
            if not offered.seccomp:  # memory without a name would be neither private nor counted
                return ()
            if offered.namespaces:
                return ("mount and IPC namespace", *seccomp)
            return ("none is given", *landlock, *seccomp) if landlock else ()
        case Promise.END:
            return ("PID namespace",) if offered.namespaces else ("supervisor",)
        case Promise.MEMORY:
            return ("supervisor", "limits")


def unheld(offered: Offered) -> tuple[Promise, ...]:
    """Required promises that no layer holds."""
    return tuple(promise for promise in REQUIRED if not held_by(promise, offered))


def confines(offered: Offered) -> bool:
    """True where every required promise is held."""
    return not unheld(offered)


def describe(offered: Offered) -> str:
    """Isolation in force: ``files: mount namespace, Landlock 7; network: …``, or ``none``."""
    return "; ".join(promise_lines(offered)) if confines(offered) else NONE


def promise_lines(offered: Offered) -> list[str]:
    """Each promise with the layers that hold it: ``network: network namespace, seccomp``."""
    return [f"{promise}: {', '.join(held_by(promise, offered)) or 'nothing holds it'}" for promise in Promise]


PAGE = "docs/security.md, Which layer holds what"
"""Page that explains the promises and the layers."""


def verdict(offered: Offered, mode: str = "") -> str:
    """``all six promises are held (mode require)``, or which are not."""
    missing = unheld(offered)
    held = f"not held: {_and(missing)}" if missing else "all six promises are held"
    return f"{held} (mode {mode})" if mode else held


def verdict_in_force(isolation: str, mode: str = "") -> str:
    """The same of a text of ``describe``, which a daemon said."""
    held = (
        "not all promises are held: see pilothouse doctor"
        if isolation == NONE
        else "all six promises are held"
    )
    return f"{held} (mode {mode})" if mode else held


def in_short(isolation: str) -> str:
    """Layers in force in a few words, of a text of ``describe``: ``namespaces, Landlock 7, seccomp``. Text of an earlier
    release stays as it is."""
    landlock = next((word for word in isolation.replace(";", ",").split(", ") if "Landlock " in word), "")
    parts = (
        "namespaces" if "PID namespace" in isolation else "",
        landlock.rpartition(": ")[2],
        "seccomp" if "seccomp" in isolation else "",
    )
    return ", ".join(part for part in parts if part) or isolation


def refusal(offered: Offered) -> str:
    """One line that says which promises cannot be held here, and what would help."""
    missing = unheld(offered)
    return (
        f"jobs and models cannot be confined here: nothing holds {_and(missing)}; it takes {_HELP[missing[0]]}, "
        "or --isolation warn, which runs them with the rights of this user"
    )


def _and(promises: Iterable[Promise]) -> str:
    *first, last = map(str, promises)
    return f"{', '.join(first)} and {last}" if first else last
