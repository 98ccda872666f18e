"""Findings of ``pilothouse doctor``."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """One check: whether it is well, and in words what was found and what to do."""

    check: str
    ok: bool
    finding: str
