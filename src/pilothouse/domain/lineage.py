"""Where a version comes from and what became of it, as a tree."""

from dataclasses import dataclass, field
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
    children: tuple["LineageNode", ...] = field(default=())
