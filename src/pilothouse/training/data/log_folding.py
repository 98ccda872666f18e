"""Folding of a log of predictions into profiles by day or hour: a stream of bounded memory, any number of rows.

A log is cut into *shares*, of which each is folded by itself, on this machine or another: ``fold`` takes files and gives bytes,
which ``statistics.profiles.dated.merged`` adds up. The sum is the same to the bit whatever the shares are.

Which rows count is what intake asks of a row by itself: a time, a finite score, and a label that the version knows.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pilothouse.domain.models.model_spec import ModelSpec
from pilothouse.domain.monitoring.log_shares import Part
from pilothouse.domain.tables.table_form import EVENT_TIME
from pilothouse.statistics.arrays import AnyArray, Flags, Floats
from pilothouse.statistics.profiles.coded import CodedColumn
from pilothouse.statistics.profiles.dated import DatedProfiles
from pilothouse.statistics.profiles.log_columns import check_log_columns, log_form
from pilothouse.statistics.profiles.specification import CategoricalColumn, ProfileSpecification
from pilothouse.tables.parquet_files import ParquetFile
from pilothouse.tables.reader import open_table, partitions, with_partitions


@dataclass(slots=True)
class Folded:
    """What was folded. ``left_out`` counts the rows that intake would reject, by reason."""

    profiles: DatedProfiles
    rows: int = 0
    left_out: dict[str, int] = field(default_factory=dict)
    dialects: list[str] = field(default_factory=list)


def fold_file(folded: Folded, path: Path, root: Path, part: Part, spec: ModelSpec) -> Iterator[int]:
    """Add the rows of a part, which lies at ``path``; folders below ``root`` may give columns. Yields the rows so far. Raises
    InvalidInputError, one line with file, row and column."""
    specification = folded.profiles.specification
    form = log_form(spec, specification)
    file = open_table(path, form)
    names = [*file.names, *partitions(root, path)]
    time = EVENT_TIME if EVENT_TIME in names else spec.data.timestamp
    check_log_columns(str(path), names, time, specification)
    if file.dialect and file.dialect not in folded.dialects:
        folded.dialects.append(file.dialect)
    batches = file.batches(part.share, part.shares) if isinstance(file, ParquetFile) else file.batches()
    for batch in batches:
        table = with_partitions(pa.Table.from_batches([batch]), root, path, form)
        _add(folded, table, time, specification)
        yield folded.rows


def _add(folded: Folded, rows: pa.Table, time: str, specification: ProfileSpecification) -> None:
    times = _whole(rows.column(time)).cast(pa.int64())
    scores = _numbers(rows, "score")
    dated = np.asarray(times.is_valid().to_numpy(zero_copy_only=False))
    scored = np.isfinite(scores)
    known = _known_labels(rows, specification.classes)
    kept = dated & scored & known
    folded.rows += rows.num_rows
    for reason, bad in (
        ("no time", ~dated),
        ("no score", dated & ~scored),
        ("another label", dated & scored & ~known),
    ):
        if count := int(bad.sum()):
            folded.left_out[reason] = folded.left_out.get(reason, 0) + count
    taken: Flags | slice = slice(None) if kept.all() else kept
    micros = np.asarray(pc.fill_null(times, 0).to_numpy(zero_copy_only=False), np.int64)
    numeric, categorical = {}, {}
    for column in specification.features:
        if isinstance(column, CategoricalColumn):
            categorical[column.name] = _coded(rows.column(column.name)).take(taken)
        else:
            numeric[column.name] = _numbers(rows, column.name)[taken]
    folded.profiles.add(micros[taken], numeric, categorical, scores[taken])


def _known_labels(rows: pa.Table, classes: Sequence[str]) -> Flags:
    """Rows whose label the version knows. Two classes are told apart by the score where there is no label."""
    if not classes or "label" not in rows.column_names:
        return np.ones(rows.num_rows, np.bool_)
    known = pc.is_in(_whole(rows.column("label")), pa.array(classes, pa.string()))
    if len(classes) == 2:
        known = pc.or_(known, pc.is_null(_whole(rows.column("label"))))
    return np.asarray(known.to_numpy(zero_copy_only=False))


def _whole(column: pa.ChunkedArray) -> Any:
    whole = column.combine_chunks()
    return whole.combine_chunks() if isinstance(whole, pa.ChunkedArray) else whole


def _numbers(rows: pa.Table, name: str) -> Floats:
    return np.asarray(rows.column(name).to_numpy(zero_copy_only=False), np.float64)


def _coded(column: pa.ChunkedArray) -> CodedColumn:
    coded = _whole(column).dictionary_encode()
    vocabulary: list[str | None] = coded.dictionary.to_pylist()
    codes: AnyArray = pc.fill_null(coded.indices, len(vocabulary)).to_numpy(zero_copy_only=False)
    return CodedColumn([*vocabulary, None] if coded.null_count else vocabulary, codes)
