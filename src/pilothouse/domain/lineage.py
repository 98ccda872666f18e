"""Where a version comes from and what became of it, as a tree."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

Kind = Literal[
    "version",
    "run",
    "job",
    "model file",
    "snapshot",
    "source",
    "code",
    "environment",
    "parameters",
    "alert",
    "request",
    "decision",
    "deployment",
    "reproduction",
    "note",
]


@dataclass(frozen=True, slots=True)
class LineageNode:
    """One thing in a version's history. Below a run lies what went into it; below anything else, what followed from it.

    ``label`` names it as the registry does (``models:/flight-delay/2``, ``request 3``, a digest); ``detail`` says more.
    """

    kind: Kind
    label: str
    detail: str = ""
    key: str = ""
    """What the whole of it is found by: a digest or a commit in full; empty where the label says it."""
    children: tuple["LineageNode", ...] = field(default=())


@dataclass(frozen=True, slots=True)
class Stay:
    """A version on a target from an event time until another (None: now)."""

    target: str
    since: datetime
    until: datetime | None


@dataclass(frozen=True, slots=True)
class AffectedVersion:
    """A version that would be bad if something that went into it was. ``how`` says what it shares with that."""

    model: str
    number: int
    status: str
    how: tuple[str, ...]
    live_on: tuple[str, ...]
    stays: tuple[Stay, ...]
    """Every deployment that there was, oldest first."""
    open_requests: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Affected:
    """What is affected if ``what`` was bad."""

    what: str
    versions: tuple[AffectedVersion, ...]
