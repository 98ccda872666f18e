"""Imported records as they are shown: with where they come from, what their registry said, and what a re-scoring found."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from pilothouse.domain.imported.records import ForeignFile

STANDING = "imported, not trained here: it passed no gate and cannot be deployed unless it is adopted"
"""What is said of every imported version, wherever one is shown."""

STANDING_OF_OURS = (
    "exported from here: its model file is that of the version named beside it, which is the one to request"
)
"""What is said instead of one whose model file a version of this workspace has."""

FORMS: Mapping[str, str] = {
    "": "not looked at",
    "skops": "skops",
    "pickle": "pickle: never loaded",
    "other": "no scikit-learn model",
    "none": "no model file",
}
"""Words for the form of a version's model file."""


@dataclass(frozen=True, slots=True)
class ImportedModel:
    """Model of another registry. ``name`` is a word of ours, ``original`` theirs."""

    name: str
    original: str
    origin: str
    workspace: str
    description: str
    tags: Mapping[str, str]
    created_ms: int | None
    updated_ms: int | None
    versions: int
    aliases: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Score:
    """What a confined step found when it loaded a model file and let it answer its example."""

    model_digest: str
    answers: bool
    finding: str
    record: Mapping[str, Any]
    scored_by: str
    recorded_at: datetime


@dataclass(frozen=True, slots=True)
class ImportedVersion:
    """Version of another registry. ``metrics`` are that registry's claims."""

    id: int
    model: str
    original: str
    origin: str
    number: int
    created_ms: int | None
    updated_ms: int | None
    description: str
    user: str
    stage: str
    status: str
    source: str
    run: str
    tags: Mapping[str, str]
    metrics: Mapping[str, float | str]
    form: str
    files: Sequence[ForeignFile] | None
    """None where its files are not here."""
    files_fault: str
    gone: bool
    """True where it was no longer there at the last import."""
    score: Score | None
    recorded_at: datetime
    ours: str = ""
    """Version of this workspace that has its model file, by the sha256 of its bytes; empty for a file from elsewhere."""

    @property
    def standing(self) -> str:
        """What is said of it, wherever it is shown."""
        return STANDING_OF_OURS if self.ours else STANDING

    @property
    def skops_file(self) -> ForeignFile | None:
        """Its model file in skops, where that is here."""
        found = [one for one in self.files or () if one.digest and one.path.endswith(".skops")]
        return found[0] if self.form == "skops" and len(found) == 1 else None

    def file(self, path: str) -> ForeignFile | None:
        """File of that path, where its bytes are here."""
        return next((one for one in self.files or () if one.path == path and one.digest), None)


@dataclass(frozen=True, slots=True)
class ImportedRun:
    """Run of another registry: ``facts`` as it told them, ``curves`` by metric as step, time in ms and value."""

    id: str
    facts: Mapping[str, Any]
    curves: Mapping[str, Sequence[Sequence[Any]]] = field(default_factory=dict)
    thinned: Mapping[str, int] = field(default_factory=dict)
    origin: str = ""


@dataclass(frozen=True, slots=True)
class AliasSpan:
    """Meaning of an alias, from the import that first saw it to the one that saw another."""

    alias: str
    number: int
    seen_at: datetime
    ended_at: datetime | None


def time_of(milliseconds: int | None) -> datetime | None:
    """Time of a record in UTC; None where there is none, or none that a calendar has."""
    if milliseconds is None:
        return None
    try:
        return datetime.fromtimestamp(milliseconds / 1000, UTC)
    except (OverflowError, ValueError, OSError):
        return None
