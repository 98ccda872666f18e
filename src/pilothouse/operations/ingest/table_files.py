"""Comparison of two files column by column, outside of any workspace: parquet, csv and csv.gz."""

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from pilothouse.domain.errors import InvalidInputError
from pilothouse.statistics import like_evidently, like_nannyml, table_drift
from pilothouse.statistics.profiles.samples import Categories, Numbers, Sample
from pilothouse.statistics.table_drift import ColumnDrift

if TYPE_CHECKING:
    import pyarrow as pa

Rules = Literal["pilothouse", "evidently", "nannyml"]
Finding = Literal["drift", "quality", "fault"]
FINDINGS: tuple[Finding, ...] = ("drift", "quality", "fault")
"""What a comparison may find: columns that drift; that have more missing or more unseen; that cannot be compared."""
_WORDS: dict[Finding, str] = {"drift": "drift", "quality": "got worse", "fault": "cannot be compared"}

_SUFFIXES = ".parquet, .csv or .csv.gz"
_PANDAS_INDEX = "__index_level_"
"""The prefix of the columns in which pandas stores an index."""
_NAMED = 5
"""Columns that a message names at most."""
_MISSING = ["", "NA", "NaN", "nan", "null"]
_COMPARE: dict[str, Callable[[table_drift.Columns, table_drift.Columns], list[ColumnDrift]]] = {
    "pilothouse": table_drift.table_drift,
    "evidently": like_evidently.table_drift,
    "nannyml": like_nannyml.table_drift,
}


@dataclass(frozen=True, slots=True)
class FileDrift:
    """The drift between two files. ``drifts`` is the verdict on the whole table where the rules have one, else None."""

    rules: Rules
    columns: tuple[ColumnDrift, ...]
    drifts: bool | None


def compare_files(
    reference: Path, current: Path, *, rules: Rules = "pilothouse", columns: Sequence[str] = ()
) -> FileDrift:
    """Compare ``current`` with ``reference`` in all columns, or in those named. Raises InvalidInputError, also where
    nothing can be compared: a file without rows, no column in common, none whose values are numbers or texts.

    A parquet file is read column by column, so that two columns are in memory and not two files.
    """
    with ExitStack() as opened:
        before, now = _Table(reference, opened), _Table(current, opened)
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
        for table in (before, now):
            if not table.rows:
                raise InvalidInputError(f"{table.path}: there are no rows; expected some to compare")
        compare = _COMPARE[rules]
        names = columns or table_drift.column_names(dict.fromkeys(before.names), dict.fromkeys(now.names))
        drifts = [drift for name in names for drift in compare(before.column(name), now.column(name))]
    if not any(drift.statistic for drift in drifts):
        faults = [f"column {drift.column!r} {drift.fault}" for drift in drifts]
        raise InvalidInputError(
            f"{current}: nothing can be compared with {reference}: {_listed(faults, '; ')}"
        )
    if rules == "pilothouse":
        drifts = table_drift.judged(drifts)
    drifts = table_drift.judged_quality(drifts)
    return FileDrift(
        rules, tuple(drifts), like_evidently.table_drifts(drifts) if rules == "evidently" else None
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
        f"{len(names)} {'column' if len(names) == 1 else 'columns'} {_WORDS[finding]}: {_listed(names)}"
        for finding, names in found(drift).items()
        if finding in on and names
    ]


def _listed(names: Sequence[str], between: str = ", ") -> str:
    more = len(names) - _NAMED
    return between.join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")


class _Table:
    """A file's columns, read on demand until ``opened`` is closed."""

    def __init__(self, path: Path, opened: ExitStack) -> None:
        import pyarrow as pa
        import pyarrow.csv
        import pyarrow.parquet

        self.path = path
        if not path.is_file():
            raise InvalidInputError(f"{path} is not a file: expected one that ends in {_SUFFIXES}")
        name = path.name.lower()
        try:
            if name.endswith(".parquet"):
                file = pyarrow.parquet.ParquetFile(opened.enter_context(pa.OSFile(str(path))))
                self.names = [n for n in file.schema_arrow.names if not n.startswith(_PANDAS_INDEX)]
                self.rows = int(file.metadata.num_rows)
                self._read: Callable[[str], pa.ChunkedArray] = lambda column: file.read([column]).column(
                    column
                )
            elif name.endswith((".csv", ".csv.gz")):
                options = pyarrow.csv.ConvertOptions(strings_can_be_null=True, null_values=_MISSING)
                table = pyarrow.csv.read_csv(path, convert_options=options)
                self.names, self.rows = list(table.column_names), table.num_rows
                self._read = table.column
            else:
                raise InvalidInputError(f"{path}: expected a file that ends in {_SUFFIXES}")
        except (pa.ArrowException, OSError) as error:
            raise InvalidInputError(f"{path} cannot be read: {_first_line(error)}") from None
        twice = [name for i, name in enumerate(self.names) if name in self.names[:i]]
        if twice:
            raise InvalidInputError(f"{path}: two columns are called {twice[0]!r}; expected each name once")

    def column(self, name: str) -> Mapping[str, Sample | None]:
        """The column under its name, or nothing where the file has none."""
        import pyarrow as pa

        if name not in self.names:
            return {}
        try:
            return {name: sample_of(self._read(name))}
        except (pa.ArrowException, OSError) as error:
            raise InvalidInputError(
                f"{self.path}: column {name!r} cannot be read: {_first_line(error)}"
            ) from None


def sample_of(column: "pa.ChunkedArray") -> Sample | None:
    """An Arrow column as numbers or as categories coded once; None for times, lists and structures."""
    import pyarrow as pa
    import pyarrow.compute as pc

    kind = column.type
    if pa.types.is_dictionary(kind):
        column = column.cast(kind.value_type)
        kind = column.type
    if (
        pa.types.is_integer(kind)
        or pa.types.is_floating(kind)
        or pa.types.is_decimal(kind)
        or pa.types.is_null(kind)
    ):
        whole = pa.types.is_integer(kind) and not column.null_count
        values = column.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
        return Numbers(np.asarray(values, np.float64), whole)
    boolean = pa.types.is_boolean(kind)
    if not boolean and not pa.types.is_string(kind) and not pa.types.is_large_string(kind):
        return None
    coded = column.cast(pa.string()).combine_chunks().dictionary_encode()
    if isinstance(coded, pa.ChunkedArray):
        coded = coded.combine_chunks()
    codes = np.asarray(pc.fill_null(coded.indices, -1).to_numpy(zero_copy_only=False), np.int64)
    return Categories(codes, tuple(coded.dictionary.to_pylist()), "boolean" if boolean else "text")


def plain(drift: FileDrift) -> dict[str, object]:
    """The comparison for JSON, without numbers that are not finite."""
    return {
        "rules": drift.rules,
        "drifts": drift.drifts,
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


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or ["no reason given"])[0]
