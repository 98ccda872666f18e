"""Lineage of a version as a tree: its inputs, and what followed from it."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from pilothouse.domain.models.version_stage import VersionStage

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
    """Node in a version's history. Below a run lie its inputs; below any other node, what followed from it.

    ``label`` names it as the registry does (``models:/flight-delay/2``, ``request 3``, a digest); ``detail`` says more.
    """

    kind: Kind
    label: str
    detail: str = ""
    key: str = ""
    """Key by which it is found: a digest or a commit in full; empty where the label is it."""
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
    stage: VersionStage
    how: tuple[str, ...]
    live_on: tuple[str, ...]
    stays: tuple[Stay, ...]
    """Every deployment that there was, oldest first."""
    open_requests: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Affected:
    """Versions that are affected if ``what`` was bad."""

    what: str
    versions: tuple[AffectedVersion, ...]
