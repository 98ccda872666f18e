"""Erasure of a person's rows: what is to go, as places alone, and what a tombstone says of it. Pure.

Neither a plan nor a tombstone holds a value that names a person: both stay for good. A row is named by its place in a file
or a batch, and what is left of the file is told by digests.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pilothouse.domain.errors import IntegrityError, InvalidInputError
from pilothouse.domain.formats.canonical import canonical_digest, canonical_json, rfc8785_json
from pilothouse.domain.models.dataclass_reader import read_dataclass, to_plain

FORM = "pilothouse/tombstone/1"
ORDERED, COMPLETED, APPLIED_AGAIN = "erasure.ordered", "erasure.completed", "erasure.applied_again"
NONE_SINCE = "erasure.none_since"
"""Actions of the audit entries; the last two are those of a restored workspace."""
_LONGEST_VALUE = 1_000


@dataclass(frozen=True, slots=True)
class Selection:
    """What names a person's rows: values of columns, which must all hold, and ids of predictions. It is stored nowhere."""

    where: tuple[tuple[str, str], ...] = ()
    predictions: tuple[str, ...] = ()
    model: str = ""
    """The one model to look at; empty for all of them."""

    @property
    def values(self) -> tuple[str, ...]:
        """Values and ids by themselves."""
        return (*(value for _, value in self.where), *self.predictions)


@dataclass(frozen=True, slots=True)
class FileRows:
    """Rows of an artifact, or lines of a text, by their numbers from 0. ``name`` is for people: ``train of delay/2``."""

    digest: str
    name: str
    rows: tuple[int, ...]
    of_rows: int
    is_text: bool = False


@dataclass(frozen=True, slots=True)
class BatchRows:
    """Rows of a batch of predictions, by their offsets in the batch as it came."""

    model: str
    version: int
    target: str
    producer: str
    sequence: int
    offsets: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Cell:
    """Entry in the summary of a data column on record: one of its frequent values, by place, or its minimum or maximum.
    ``before`` is the sha256 of the record as it was, so that none is cut twice."""

    table: str
    key: int
    column: str
    entries: tuple[str, ...]
    before: str


@dataclass(frozen=True, slots=True)
class JobFile:
    """File of an ended job, by its path below ``state``: some lines of it, or none for the whole file."""

    path: str
    lines: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that is to go, by places."""

    model: str
    columns: tuple[str, ...]
    """Columns whose values named the rows."""
    ids: int
    """Number of prediction ids that named rows."""
    salt: str
    """Random text, so that two plans are never one."""
    reason: str = ""
    """Why; empty for a plan that is only looked at, and cannot be ordered."""
    files: tuple[FileRows, ...] = ()
    batches: tuple[BatchRows, ...] = ()
    kept: tuple[BatchRows, ...] = ()
    """Rows that were rejected and are kept to be judged again."""
    examples: tuple[int, ...] = ()
    """Rejections whose example goes."""
    totals: tuple[str, ...] = ()
    """Reasons of rejection whose newest example goes."""
    waiting: tuple[tuple[int, ...], ...] = ()
    """Outcomes that wait: (row, microseconds at which it came)."""
    cells: tuple[Cell, ...] = ()
    job_files: tuple[JobFile, ...] = ()

    @property
    def is_empty(self) -> bool:
        return not any(
            (
                self.files,
                self.batches,
                self.kept,
                self.examples,
                self.totals,
                self.waiting,
                self.cells,
                self.job_files,
            )
        )

    @property
    def digest(self) -> str:
        return canonical_digest(to_plain(self))

    @property
    def named_by(self) -> str:
        """``the column patient_id and 2 prediction ids``."""
        columns = (
            f"the column{'s' * (len(self.columns) > 1)} {', '.join(self.columns)}" if self.columns else ""
        )
        ids = f"{self.ids:,} prediction id{'s' * (self.ids != 1)}" if self.ids else ""
        return " and ".join(part for part in (columns, ids) if part)

    def to_text(self) -> str:
        """Canonical JSON, whose sha256 is ``digest``."""
        return canonical_json(to_plain(self))


def plan_from_plain(plain: object) -> Plan:
    """Plan from its JSON data. Raises IntegrityError."""
    problems: list[str] = []
    plan = read_dataclass(Plan, plain, "plan", problems)
    if plan is None or problems:
        raise IntegrityError(f"an erasure's plan is not valid: {problems[0] if problems else 'no table'}")
    return plan


@dataclass(frozen=True, slots=True)
class ErasedFile:
    """What became of an artifact: the digest of what is left of it."""

    digest: str
    left: str
    name: str
    rows: int
    of_rows: int


@dataclass(frozen=True, slots=True)
class ErasedRows:
    """What became of the rows of a stream. ``segments``: sha256 of each stored segment before and after; after it is empty
    where no row was left."""

    model: str
    version: int
    target: str
    rows: int
    outcomes: int
    segments: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Erasure:
    """Order to erase, with its tombstone once it is carried out."""

    id: int
    plan: Plan
    plan_digest: str
    reason: str
    ordered_by: str
    second: str
    repeats: str
    """sha256 of the statement that it repeats in a workspace that was restored; else empty."""
    recorded_at: datetime
    statement: str | None = None
    """The tombstone's statement, to the byte as it was signed."""
    signature: str | None = None
    public_key: str | None = None
    completed_at: datetime | None = None

    @property
    def is_complete(self) -> bool:
        return self.statement is not None


def tombstone(
    erasure: Erasure,
    files: Iterable[ErasedFile],
    predictions: Iterable[ErasedRows],
    elsewhere: dict[str, int],
    log: tuple[int, str],
    at: datetime,
) -> bytes:
    """Statement of a tombstone, RFC 8785 JSON: who, when and why, and what each place lost. ``log``: head of the audit log."""
    return rfc8785_json(
        {
            "form": FORM,
            "erasure": erasure.id,
            "plan": erasure.plan_digest,
            "model": erasure.plan.model,
            "named_by": {"columns": list(erasure.plan.columns), "predictions": erasure.plan.ids},
            "reason": erasure.reason,
            "ordered_by": erasure.ordered_by,
            "second": erasure.second,
            "ordered_at": erasure.recorded_at.isoformat(),
            "completed_at": at.isoformat(),
            "repeats": erasure.repeats,
            "files": [to_plain(file) for file in files],
            "predictions": [to_plain(rows) for rows in predictions],
            "elsewhere": elsewhere,
            "log": {"rows": log[0], "hash": log[1]},
        }
    )


def check_selection(selection: Selection, reason: str) -> None:
    """Raise InvalidInputError where nothing is named, a value is empty, or the reason, which stays for good, holds a value."""
    if not selection.values:
        raise InvalidInputError("nothing is named: expected --where COLUMN=VALUE or --prediction ID")
    for value in selection.values:
        if not value.strip():
            raise InvalidInputError("a value is empty: rows without a value name nobody")
        if len(value) > _LONGEST_VALUE:
            raise InvalidInputError(f"a value has more than {_LONGEST_VALUE:,} characters")
        if value in reason:
            raise InvalidInputError(
                "the reason holds the value that names the person, and stays in the audit log for good: name a ticket instead"
            )


def erased_text(number: int, rows: int, of_rows: int, at: datetime | None) -> str:
    """``12 of 4,000 rows were erased on 2026-05-03 (tombstone 3)``."""
    day = f" on {at:%Y-%m-%d}" if at else ""
    return f"{rows:,} of {of_rows:,} rows were erased{day} (tombstone {number})"


def statement_digest(statement: str) -> str:
    """sha256 in hex of a statement: its name in the audit log."""
    return hashlib.sha256(statement.encode()).hexdigest()


def counts_of(plan: Plan) -> dict[str, int]:
    """What a plan takes, by kind of place, for the log and for people."""
    return {
        "rows of stored files": sum(len(file.rows) for file in plan.files),
        "predictions": sum(len(batch.offsets) for batch in plan.batches),
        "kept rejections": sum(len(batch.offsets) for batch in plan.kept),
        "examples of rejections": len(plan.examples) + len(plan.totals),
        "waiting outcomes": len(plan.waiting),
        "entries of summaries": sum(len(cell.entries) for cell in plan.cells),
        "files of jobs": len(plan.job_files),
    }


def facts_of(statement: str) -> dict[str, Any]:
    """Content of a statement. Raises IntegrityError."""
    from pilothouse.domain.formats.bounded_json import JsonError, parse_json

    try:
        plain = parse_json(statement.encode())
    except JsonError as error:
        raise IntegrityError(f"a tombstone is not JSON: {error}") from None
    if not isinstance(plain, dict) or plain.get("form") != FORM:
        raise IntegrityError(f"a tombstone has another form: expected {FORM}")
    return plain
