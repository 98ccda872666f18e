"""Comparison of two files column by column, outside of any workspace."""

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from pilothouse.domain.errors import InvalidInputError
from pilothouse.domain.tables.table_form import TableForm
from pilothouse.operations.ingest.file_columns import OpenFile, samples
from pilothouse.statistics import like_evidently, like_nannyml, table_drift
from pilothouse.statistics.table_drift import ColumnDrift

Rules = Literal["pilothouse", "evidently", "nannyml"]
Finding = Literal["drift", "quality", "fault"]
FINDINGS: tuple[Finding, ...] = ("drift", "quality", "fault")
"""What a comparison may find: columns that drift; that have more missing or more unseen; that cannot be compared."""
_WORDS: dict[Finding, tuple[str, str]] = {
    "drift": ("column drifts", "columns drift"),
    "quality": ("column got worse", "columns got worse"),
    "fault": ("column cannot be compared", "columns cannot be compared"),
}

_NAMED = 5
"""Columns that a message names at most."""
_COMPARE: dict[str, Callable[[table_drift.Columns, table_drift.Columns], list[ColumnDrift]]] = {
    "pilothouse": table_drift.table_drift,
    "evidently": like_evidently.table_drift,
    "nannyml": like_nannyml.table_drift,
}


@dataclass(frozen=True, slots=True)
class FileDrift:
    """The drift between two files. ``drifts`` is the verdict on the whole table where the rules have one, else None;
    ``dialects`` are the files' by their paths, as a phrase, empty for the usual one."""

    rules: Rules
    columns: tuple[ColumnDrift, ...]
    drifts: bool | None
    dialects: Mapping[str, str] = field(default_factory=dict)


def compare_files(
    reference: Path,
    current: Path,
    *,
    rules: Rules = "pilothouse",
    columns: Sequence[str] = (),
    form: TableForm | None = None,
) -> FileDrift:
    """Compare ``current`` with ``reference`` in all columns, or in those named. Raises InvalidInputError, also where
    nothing can be compared: a file without rows, no column in common, none whose values are numbers or texts.

    ``form`` says which words mean missing, and the dialect of csv where it is not to be found out. A parquet file is read
    column by column, so that two columns are in memory and not two files.
    """
    form = form or TableForm(timezone="UTC")
    before, now = OpenFile(reference, form), OpenFile(current, form)
    unknown = [name for name in columns if name not in before.names and name not in now.names]
    if unknown:
        raise InvalidInputError(
            f"column {unknown[0]!r} is in neither file; expected one of {_listed(before.names)}"
        )
    if not set(before.names) & set(now.names):
        raise InvalidInputError(
            f"{current}: no column is in {reference} too; "
            f"found {_listed(now.names)}; expected {_listed(before.names)}"
        )
    names = columns or table_drift.column_names(dict.fromkeys(before.names), dict.fromkeys(now.names))
    for file in (before, now):
        file.read(names)
        if not file.rows:
            raise InvalidInputError(f"{file.path}: there are no rows; expected some to compare")
    compare = _COMPARE[rules]
    drifts = [drift for name in names for drift in compare(*samples(name, before, now, form))]
    if not any(drift.statistic for drift in drifts):
        faults = [f"column {drift.column!r} {drift.fault}" for drift in drifts]
        raise InvalidInputError(
            f"{current}: nothing can be compared with {reference}: {_listed(faults, '; ')}"
        )
    if rules == "pilothouse":
        drifts = table_drift.judged(drifts)
    drifts = table_drift.judged_quality(drifts)
    return FileDrift(
        rules,
        tuple(drifts),
        like_evidently.table_drifts(drifts) if rules == "evidently" else None,
        {str(file.path): file.dialect for file in (before, now)},
    )


def found(drift: FileDrift) -> dict[Finding, list[str]]:
    """Names of the columns behind each finding, in the order of FINDINGS. Where the rules judge the table, its columns
    drift only if it does. A type that is compared in no table is no fault."""
    return {
        "drift": [column.column for column in drift.columns if column.drifts and drift.drifts is not False],
        "quality": [column.column for column in drift.columns if column.worse],
        "fault": [column.column for column in drift.columns if column.fault and not column.skipped],
    }


def failures(drift: FileDrift, on: Collection[str]) -> list[str]:
    """What was found of the findings ``on`` which a check is to fail, a phrase each."""
    return [
        f"{len(names)} {_WORDS[finding][len(names) > 1]}: {_listed(names)}"
        for finding, names in found(drift).items()
        if finding in on and names
    ]


def _listed(names: Sequence[str], between: str = ", ") -> str:
    more = len(names) - _NAMED
    return between.join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")


def plain(drift: FileDrift) -> dict[str, object]:
    """The comparison for JSON, without numbers that are not finite."""
    return {
        "rules": drift.rules,
        "drifts": drift.drifts,
        "dialects": dict(drift.dialects),
        "found": found(drift),
        "columns": [_plain(column) for column in drift.columns],
    }


def _plain(column: ColumnDrift) -> dict[str, object]:
    data: dict[str, object] = {
        "column": column.column,
        "kind": column.kind,
        "statistic": column.statistic or None,
        "value": _finite(column.value),
        "threshold": _finite(column.threshold),
        "drifts": column.drifts,
        "fault": column.fault or None,
        "statistics": {name: value for name, value in column.statistics.items() if math.isfinite(value)},
        "reference_rows": column.reference_rows,
        "rows": column.rows,
        "reference_missing": column.reference_missing,
        "missing": column.missing,
        "unseen": column.unseen,
        "usual_unseen": column.usual_unseen,
        "rises": dict(column.rises),
        "worse": list(column.worse),
    }
    if column.chunks:
        data["chunks"] = [{"value": _finite(value), "alert": alert} for value, alert in column.chunks]
    return data


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
