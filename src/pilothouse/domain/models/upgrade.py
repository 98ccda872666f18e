"""Answers of versions under another environment, held against those that are stored: what an upgrade would change."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Outcome(StrEnum):
    """What becomes of a version in the environment that was tried."""

    STAYS = "stays"
    DIFFERS = "differs"
    FAILS = "fails"
    NOT_CHECKED = "not checked"


@dataclass(frozen=True, slots=True)
class VersionCheck:
    """One version in the environment that was tried, and what becomes of it."""

    model: str
    version: int
    place: str
    """Where it stands: ``live on ewr``, ``requested``, ``was live``."""
    live: bool
    outcome: Outcome
    finding: str
    """``portable: answers bit for bit``, in one line."""

    @property
    def changes(self) -> bool:
        """True where the version would not answer as it does, or nobody can say that it would."""
        return self.outcome is not Outcome.STAYS


def judged(record: Mapping[str, Any], trained_with: str) -> tuple[Outcome, str]:
    """Outcome of the record of an ``answers`` step, and the finding. ``trained_with``: scikit-learn's release on record."""
    here = str(record.get("scikit_learn", ""))
    release = str(record.get("written_with") or trained_with)
    is_portable = record.get("form") == "portable"
    form = "portable" if is_portable else tied_text(release)
    if fault := str(record.get("fault", "")):
        portable = f"; its portable form: {record['portable_fault']}" if record.get("portable_fault") else ""
        place = "here" if is_portable or not here else f"under {here}"
        return Outcome.FAILS, f"{form}: does not answer {place} ({fault}{portable})"
    rows, differing = int(record.get("rows", 0)), int(record.get("differing", 0))
    if differing:
        largest = float(record.get("largest", 0.0))
        return (
            Outcome.DIFFERS,
            f"{form}: answers differ: {differing:,} of {rows:,} rows, largest {largest:.3g}",
        )
    if not rows:
        return Outcome.NOT_CHECKED, f"{form}: loads; its stored sample has no rows"
    under = "" if is_portable or here in ("", release) else f" under {here}"
    return Outcome.STAYS, f"{form}: answers bit for bit{under}, {rows:,} rows"


def tied_text(release: str) -> str:
    """``tied to scikit-learn 1.8.0``."""
    return f"tied to scikit-learn {release or 'of a release that is not on record'}"


def release_line(release: str) -> str:
    """``1.8.x`` of ``1.8.0``: releases of one line read each other's files."""
    return f"{'.'.join(release.split('.')[:2])}.x" if release else "a release that is not on record"
