"""Files of predictions and outcomes from other systems: parquet, csv, csv.gz, jsonl and ndjson, read into batches."""

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pilothouse.domain.errors import InvalidInputError
from pilothouse.domain.formats.safe_text import one_line
from pilothouse.domain.formats.wire import CodedTexts, Outcome, PackedTimings, PredictionBatch, code_width
from pilothouse.domain.models.model_spec import ModelSpec
from pilothouse.domain.tables.table_form import (
    EVENT_TIME,
    OUTCOME_COLUMNS,
    REQUEST_KEY,
    ColumnKind,
    TableForm,
    outcome_form,
)
from pilothouse.statistics.profiles.log_columns import check_log_columns, log_form
from pilothouse.statistics.profiles.specification import CategoricalColumn, ProfileSpecification
from pilothouse.telemetry.rows.columns import MISSING_TIME, Floats, Ints

if TYPE_CHECKING:
    import pyarrow as pa

    from pilothouse.tables.parquet_files import Frame
    from pilothouse.tables.reader import TableFile

_BATCH_ROWS = 5_000
_DAY_US = 86_400e6
Value = str | float | None
"""An outcome, or none."""


class PredictionLog:
    """A log of predictions in the order of its event times. Of a file that is in that order already, only the times and one
    batch are in memory at a time.

    Raises InvalidInputError, one line that names the missing or invalid column.
    """

    def __init__(self, source: "Path | Frame", spec: ModelSpec, specification: ProfileSpecification) -> None:
        from pilothouse.tables.reader import open_table, source_digest

        self._specification = specification
        form = log_form(spec, specification)
        form = replace(form, kinds={REQUEST_KEY: ColumnKind.TEXT, **form.kinds})
        self._file = open_table(source, form)
        self.dialect = self._file.dialect
        """What was found out of the file's dialect, as a phrase; empty for the usual."""
        self._time = EVENT_TIME if EVENT_TIME in self._file.names else spec.data.timestamp
        check_log_columns(str(self._file.path), self._file.names, self._time, specification)
        self.digest = source_digest(source)
        times = _event_times(self._file, self._time)
        self._order = None if bool((np.diff(times) >= 0).all()) else np.argsort(times, kind="stable")
        self.times: Ints = times if self._order is None else times[self._order]

    @property
    def rows(self) -> int:
        """The number of rows."""
        return len(self.times)

    def parts(
        self, producer: str, model: str, version: int, target: str, salt: bytes | None = None
    ) -> Iterator[tuple[PredictionBatch, list[Value]]]:
        """The rows as batches, numbered from 0, each with the outcomes of its rows (none: an empty list). The same file always
        gives the same ones. Of request keys a hash by ``salt`` goes along; without one, nothing."""
        first = 0
        for sequence, rows in enumerate(self._slices()):
            times = self.times[first : first + rows.num_rows]
            first += rows.num_rows
            scores = _numbers(rows, "score")
            batch = PredictionBatch(
                producer=producer,
                sequence=sequence,
                target=target,
                model=model,
                version=version,
                rows=rows.num_rows,
                event_times=times.astype("<i8").tobytes(),
                scores=scores.astype("<f8").tobytes(),
                numeric={c: _numbers(rows, c).astype("<f8").tobytes() for c in self._features(numeric=True)},
                categorical={c: _coded(rows.column(c)) for c in self._features(numeric=False)},
                labels=self._labels(rows, scores),
                requests=_timings(rows, times),
                foreign_ids=_ids(rows, f"{producer}.{sequence}"),
                draws=_keys(rows, salt) if salt is not None else b"",
            )
            yield (
                batch,
                [_outcome(v) for v in rows.column("truth").to_pylist()] if _has(rows, "truth") else [],
            )

    def _slices(self) -> Iterator["pa.Table"]:
        """The rows in order, ``_BATCH_ROWS`` at a time."""
        import pyarrow as pa

        if self._order is not None:
            table = self._file.read().combine_chunks()
            for first in range(0, self.rows, _BATCH_ROWS):
                yield table.take(pa.array(self._order[first : first + _BATCH_ROWS]))
            return
        rest: list[pa.Table] = []
        count = 0
        for batch in self._file.batches():
            rest.append(pa.Table.from_batches([batch]))
            count += batch.num_rows
            if count >= _BATCH_ROWS:
                table = pa.concat_tables(rest, promote_options="default")
                whole = count - count % _BATCH_ROWS
                for first in range(0, whole, _BATCH_ROWS):
                    yield table.slice(first, _BATCH_ROWS)
                rest, count = [table.slice(whole)], count - whole
        if count:
            yield pa.concat_tables(rest, promote_options="default")

    def _features(self, *, numeric: bool) -> list[str]:
        features = self._specification.features
        return [c.name for c in features if isinstance(c, CategoricalColumn) != numeric]

    def _labels(self, rows: "pa.Table", scores: Floats) -> CodedTexts | list[str]:
        """Classes that were predicted: those of a binary model without them by the score, none for a regression."""
        classes = self._specification.classes
        if not classes:
            return []
        if len(classes) == 2:
            decided = CodedTexts(list(classes), (scores >= 0.5).astype("<u1").tobytes())
            if not _has(rows, "label") or rows.column("label").null_count == rows.num_rows:
                return decided
            import pyarrow as pa
            import pyarrow.compute as pc

            by_score = pa.array(np.array(classes, object)[(scores >= 0.5).astype(int)], pa.string())
            return _coded(
                pa.chunked_array([pc.coalesce(pa.concat_arrays(rows.column("label").chunks), by_score)])
            )
        import pyarrow.compute as pc

        return _coded(pc.fill_null(rows.column("label"), ""))


def read_outcomes(source: "Path | Frame") -> Iterator[tuple[list[Outcome], int]]:
    """The outcomes in a file, or in a program's rows, some thousands at a time, and how many rows name no prediction or no
    outcome. Raises InvalidInputError."""
    from pilothouse.tables.reader import open_table

    file = open_table(source, outcome_form())
    column = next((name for name in OUTCOME_COLUMNS if name in file.names), None)
    if "prediction_id" not in file.names or column is None:
        names = open_table(source, TableForm()).names
        raise InvalidInputError(
            f"{file.path}: found columns {one_line(', '.join(names))}; "
            f"expected prediction_id and one of {', '.join(OUTCOME_COLUMNS)}"
        )
    for batch in file.batches():
        ids, values = batch.column("prediction_id").to_pylist(), batch.column(column).to_pylist()
        outcomes = [
            Outcome(name, value)
            for name, value in zip(ids, map(_outcome, values), strict=True)
            if name and value is not None
        ]
        yield outcomes, batch.num_rows - len(outcomes)


def _event_times(file: "TableFile", name: str) -> Ints:
    """Event times in µs, MISSING_TIME where there is none. All columns are read: a file with a fault is refused whole."""
    import pyarrow as pa
    import pyarrow.compute as pc

    parts = [
        np.asarray(
            pc.fill_null(batch.column(name).cast(pa.int64()), MISSING_TIME).to_numpy(zero_copy_only=False)
        )
        for batch in file.batches()
    ]
    return np.concatenate(parts).astype(np.int64) if parts else np.empty(0, np.int64)


def _has(rows: "pa.Table", name: str) -> bool:
    return name in rows.column_names


def _numbers(rows: "pa.Table", name: str) -> Floats:
    return np.asarray(rows.column(name).to_numpy(zero_copy_only=False), np.float64)


def _coded(column: "pa.ChunkedArray") -> CodedTexts:
    """A column of texts by the dictionary of its own rows."""
    import pyarrow as pa
    import pyarrow.compute as pc

    coded = column.combine_chunks().dictionary_encode()
    if isinstance(coded, pa.ChunkedArray):
        coded = coded.combine_chunks()
    vocabulary: list[str | None] = coded.dictionary.to_pylist()
    codes = pc.fill_null(coded.indices, len(vocabulary)).to_numpy(zero_copy_only=False)
    if coded.null_count:
        vocabulary.append(None)
    return CodedTexts(vocabulary, codes.astype(f"<u{code_width(len(vocabulary))}").tobytes())


def _timings(rows: "pa.Table", times: Ints) -> PackedTimings | list[Any]:
    if not _has(rows, "latency_ms"):
        return []
    micros = np.nan_to_num(_numbers(rows, "latency_ms")).clip(0, _DAY_US / 1_000) * 1_000
    return PackedTimings(
        np.ones(len(times), "<i8").tobytes(), micros.astype("<i8").tobytes(), times.astype("<i8").tobytes()
    )


def _keys(rows: "pa.Table", salt: bytes) -> bytes:
    """Hashes of the request keys as int64, 0 for a row without; empty where the log has no such column."""
    if not _has(rows, REQUEST_KEY):
        return b""
    texts = _coded(rows.column(REQUEST_KEY))
    hashed = [_hash_of(text, salt) if text else 0 for text in texts.vocabulary]
    codes = np.frombuffer(texts.codes, f"<u{code_width(len(texts.vocabulary))}")
    packed: bytes = np.array(hashed or [0], "<i8")[codes].tobytes()
    return packed


def _hash_of(key: str, salt: bytes) -> int:
    return int.from_bytes(hashlib.blake2b(key.encode(), digest_size=8, key=salt).digest(), signed=True) or 1


def _ids(rows: "pa.Table", part: str) -> list[str]:
    """Ids of the rows; a row without one has that of its place, as all have in a log without the column."""
    if not _has(rows, "prediction_id") or rows.column("prediction_id").null_count == rows.num_rows:
        return []
    return [text or f"{part}.{row}" for row, text in enumerate(rows.column("prediction_id").to_pylist())]


def _outcome(value: Any) -> Value:
    """``value`` as an outcome: a number, the name of a class, or None."""
    if value is None or value != value:
        return None
    return float(value) if isinstance(value, bool | int | float) else str(value)
