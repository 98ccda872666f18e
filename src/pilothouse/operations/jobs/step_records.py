"""Records of steps, checked before they are stored: plain data from a process that may have run a user's code."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from pilothouse.domain.errors import IntegrityError
from pilothouse.domain.formats.safe_text import one_line
from pilothouse.domain.formats.time_units import from_us
from pilothouse.domain.identifiers import check_digest
from pilothouse.domain.jobs.jobs import StepResult
from pilothouse.domain.models.dataclass_reader import read_dataclass
from pilothouse.domain.models.evaluation import (
    ColumnSummary,
    ComparedRows,
    GateResult,
    MetricValue,
    PortableForm,
)
from pilothouse.domain.records import Snapshot
from pilothouse.store.work.runs import RunFile

_T = TypeVar("_T")
_TEXT_LIMIT = 2_000
_MOST_GATES = 1_000
_MOST_NOTES = 100
_PORTABLE_LIBRARIES = ("numpy", "scikit-learn", "scipy")


@dataclass(frozen=True, slots=True)
class _PlainSnapshot:
    """The part of the snapshot step's record that the registry stores in columns."""

    content_digest: str
    source_digest: str
    rows: int
    training_rows: int
    holdout_rows: int
    first_row_us: int
    last_row_us: int
    trained_until_us: int


@dataclass(frozen=True, slots=True)
class _PlainPortable:
    reason: str
    rows: int


def metrics_in(step: str, plain: Any) -> list[MetricValue]:
    """Metrics in the record of a step. Raises IntegrityError with the step and the key of the first fault."""
    return _read_list(MetricValue, step, "metrics", plain)


def portable_in(step: str, plain: Any, packages: Any, file: RunFile | None) -> PortableForm | None:
    """Portable form in the record of a step, with the file that the step has written; None where the record has no such
    form, as those of earlier releases. Raises IntegrityError."""
    if plain is None:
        return None
    told = _read(_PlainPortable, plain, f"{step}: portable")
    if (file is None) != bool(told.reason) or told.rows < 0:
        raise IntegrityError(f"{step}: its portable form has a file and a reason for having none, or neither")
    found = packages if isinstance(packages, dict) else {}
    made_with = {name: _text(str(found[name]), 40) for name in _PORTABLE_LIBRARIES if name in found}
    return PortableForm(
        file.digest if file else None,
        file.bytes if file else 0,
        _text(told.reason, _TEXT_LIMIT),
        told.rows,
        made_with,
    )


def compared_in(step: str, plain: Any) -> list[ComparedRows]:
    """Comparison in the record of a step, by kind of rows. Raises IntegrityError."""
    return [
        replace(found, kind=_text(found.kind, 100))
        for found in _read_list(ComparedRows, step, "compared", plain)
    ]


def gates_in(step: str, plain: Any) -> list[GateResult]:
    """Gates in the record of a step; figures that are not finite numbers are left out. Raises IntegrityError."""
    gates = []
    for i, item in enumerate(_items(step, "gates", plain)):
        if isinstance(item, dict) and isinstance(item.get("figures"), dict):
            figures = {name: value for name, value in item["figures"].items() if _is_number(value)}
            item = {**item, "figures": figures}
        gate = _read(GateResult, item, f"{step}: gates[{i}]")
        gates.append(
            GateResult(
                _text(gate.gate, 200),
                gate.outcome,
                _text(gate.reason, _TEXT_LIMIT),
                {_text(name, 200): value for name, value in gate.figures.items()},
                _text(gate.bound, 200),
            )
        )
    return gates


def window_notes_in(record: Mapping[str, Any]) -> list[str]:
    """Notes in the record of the evaluate step on targets whose windows will hold few rows; none of an earlier release."""
    notes = record.get("window_notes")
    if not isinstance(notes, list):
        return []
    return [_text(note, _TEXT_LIMIT) for note in notes[:_MOST_NOTES] if isinstance(note, str)]


def change_notes_in(snapshot: Mapping[str, Any], fit: Mapping[str, Any]) -> list[str]:
    """What a training about a change did with its rows: how they were split, and which of the older ones were of use; and what
    of that which its code logged is not kept."""
    notes = (snapshot.get("split"), fit.get("older_rows"), fit.get("not_kept"))
    return [_text(note, _TEXT_LIMIT) for note in notes if isinstance(note, str) and note]


def snapshot_in(result: StepResult, artifact_digest: str) -> Snapshot:
    """Snapshot in the record of its step. Raises IntegrityError."""
    names = _PlainSnapshot.__dataclass_fields__
    plain = _read(_PlainSnapshot, {k: v for k, v in result.record.items() if k in names}, "snapshot")
    try:
        first, last, until = map(from_us, (plain.first_row_us, plain.last_row_us, plain.trained_until_us))
    except OverflowError:
        raise IntegrityError("snapshot: a time of its rows is outside the years 1 to 9999") from None
    columns = _read_list(ColumnSummary, "snapshot", "columns", result.record.get("columns"))
    return Snapshot(
        content_digest=check_digest(plain.content_digest),
        artifact_digest=artifact_digest,
        source_digest=check_digest(plain.source_digest),
        rows=plain.rows,
        training_rows=plain.training_rows,
        holdout_rows=plain.holdout_rows,
        first_row_at=first,
        last_row_at=last,
        trained_until=until,
        columns=tuple(columns),
    )


def finite(value: Any) -> Any:
    """JSON data with None in place of NaN and infinities, which the registry does not store."""
    if isinstance(value, dict):
        return {str(key): finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _read(kind: type[_T], plain: Any, path: str) -> _T:
    problems: list[str] = []
    record = read_dataclass(kind, plain, "", problems)
    if record is None:
        raise IntegrityError(f"{path}: {one_line(problems[0], 500) if problems else 'not valid'}")
    return record


def _read_list(kind: type[_T], step: str, key: str, plain: Any) -> list[_T]:
    items = _items(step, key, plain)
    return [_read(kind, item, f"{step}: {key}[{i}]") for i, item in enumerate(items)]


def _items(step: str, key: str, plain: Any) -> list[Any]:
    if not isinstance(plain, list) or len(plain) > _MOST_GATES * 10:
        raise IntegrityError(f"{step}: its record holds no list of {key}")
    return plain


def _text(text: str, limit: int) -> str:
    """Text cut to a length and made valid Unicode: JSON can hold half a character, the registry cannot."""
    return text[:limit].encode("utf-8", "replace").decode("utf-8")


def _is_number(value: Any) -> bool:
    try:
        return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    except OverflowError:  # an integer beyond what a float holds
        return False
