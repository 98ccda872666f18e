"""Findings of ``pilothouse doctor``."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """One check: whether it passed, and a message with what was found and what to do."""

    check: str
    ok: bool
    finding: str
