"""Partitions of exported telemetry: one Parquet file for a model, a target and a day of events, whole or absent.

A partition's own footer says which rows with which outcomes it was made of, so that an interrupted export goes on without a
list, and a day to which nothing has happened is left as it is. Rows that retention has deleted since stay in their partition;
rows that were erased do not.
"""

import json
import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pilothouse.domain.errors import ConflictError, IntegrityError
from pilothouse.domain.formats.trace_context import stored_context
from pilothouse.operations.upkeep.partition_rows import Gone, state_of_file
from pilothouse.sqlite import Connection
from pilothouse.statistics.profiles.coded import CodedColumn
from pilothouse.statistics.profiles.specification import ProfileSpecification
from pilothouse.system.files import sha256_file, sync_file, sync_folder
from pilothouse.telemetry import Stream
from pilothouse.telemetry.rows import exported_rows
from pilothouse.telemetry.rows.exported_rows import ExportedRows, RowsState

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

FORM = "pilothouse/telemetry/1"
DATA, PART = "predictions", "part-0.parquet"
"""Folder of the partitions, in which nothing else lies, since readers differ in what they pass over; file of each."""
TEMPORARY = ".part.tmp"
"""File in which a partition is written, in the folder of the export."""
_FOOTER = b"pilothouse"
_GROUP_ROWS = 65_536
"""Rows of a row group, which are in memory at once; a segment's more, for a segment is not cut."""
_OWN = (
    "version", "event_time", "received_at", "prediction_id", "score", "label", "outcome", "producer", "sequence", "batch_row",
    "trace_id", "parent_id",
)  # fmt: skip
_TAKEN = frozenset((*_OWN, "model", "target", "date"))
"""Names that no feature's column has, whatever the case of their letters: DuckDB and Spark do not tell the cases apart."""
_KEYS = ["version", "producer", "sequence", "batch_row", "outcome"]


@dataclass(frozen=True, slots=True)
class Layout:
    """Columns of a model's partitions: those of every version that telemetry knows. ``features``: column by feature."""

    schema: "pa.Schema"
    features: Mapping[str, str]
    withheld: frozenset[str]
    """Columns that were stored once and are private now."""


@dataclass(frozen=True, slots=True)
class Source:
    """Stream of a model on a target, with the specification of its version."""

    stream: Stream
    specification: ProfileSpecification


@dataclass(frozen=True, slots=True)
class Partition:
    """Partition after an export. ``path`` is below the folder of the export."""

    path: str
    rows: int
    bytes: int
    sha256: str
    made: str
    """Random text of the writing that made the file."""
    is_new: bool = False
    """True where it was written now."""


def layout_of(specifications: Sequence[ProfileSpecification], private: Sequence[str]) -> Layout:
    """Columns for the versions of a model, oldest first. A feature that one version takes as a number and another as a text
    is a text."""
    import pyarrow as pa

    text = pa.dictionary(pa.int32(), pa.string())
    kinds: dict[str, pa.DataType] = {}
    for one in specifications:
        for column in one.features:
            kind = text if hasattr(column, "categories") else pa.float64()
            kinds[column.name] = kind if kinds.get(column.name, kind) == kind else text
    used, features = set(_TAKEN), dict[str, str]()
    for name in kinds:
        column_name = name
        while column_name.lower() in used:
            column_name = f"feature_{column_name}"
        used.add(column_name.lower())
        features[name] = column_name
    time = pa.timestamp("us", "UTC")
    classifies = any(one.classes for one in specifications)
    own = (
        pa.int32(), time, time, pa.string(), pa.float64(), text, text if classifies else pa.float64(), text,
        pa.int64(), pa.int64(), pa.string(), pa.string(),
    )  # fmt: skip
    fields = list(zip(_OWN, own, strict=True))
    fields += [(features[name], kind) for name, kind in kinds.items() if name not in private]
    withheld = frozenset(features[name] for name in kinds if name in private)
    return Layout(pa.schema(fields), features, withheld)


def folder_of(model: str, target: str, day: int) -> Path:
    """``predictions/model=…/target=…/date=YYYY-MM-DD``; days since 1970, UTC."""
    return Path(DATA, f"model={model}", f"target={target}", f"date={_date(day).isoformat()}")


def days_there(folder: Path, model: str, target: str) -> set[int]:
    """Days of which a partition lies in the folder."""
    days = set()
    for path in (folder / DATA / f"model={model}" / f"target={target}").glob(f"date=*/{PART}"):
        try:
            days.add((date.fromisoformat(path.parent.name[5:]) - _date(0)).days)
        except ValueError:
            continue  # not one of ours
    return days


def put(
    connection: Connection, folder: Path, sources: Sequence[Source], day: int, layout: Layout
) -> Partition | None:
    """Bring the partition of a day up to date; None where there is no row of it. ``sources``: all streams of one model on one
    target. Raises OSError, IntegrityError where a file in its place is not one of ours, or ConflictError where a folder on the
    way is a link."""
    relative = folder_of(sources[0].stream.model, sources[0].stream.target, day) / PART
    path = folder / relative
    for above in relative.parents[:-1]:
        if (folder / above).is_symlink():
            raise ConflictError(
                f"{folder / above} is a link, which may lead anywhere: put a folder in its place"
            )
    stored = _stored(connection, sources, day)
    old = _opened(path)
    if old is None and not stored:
        return None
    if old is not None:
        with old:
            if _is_up_to_date(connection, old, stored, layout):
                return _described(path, relative, old.metadata.num_rows)
            rows = _write(connection, folder, sources, day, layout, stored, old)
    else:
        rows = _write(connection, folder, sources, day, layout, stored, None)
    if not rows:
        path.unlink(missing_ok=True)
        path.parent.rmdir()
        sync_folder(path.parent.parent)
        return None
    return _described(path, relative, rows, is_new=True)


def holds_all(
    connection: Connection, folder: Path, sources: Sequence[Source], day: int, layout: Layout
) -> bool:
    """True where the partition of a day, read row by row, holds every stored row with its outcome."""
    stored = _stored(connection, sources, day)
    path = folder / folder_of(sources[0].stream.model, sources[0].stream.target, day) / PART
    file = _opened(path)
    if file is None:
        return not stored
    with file:
        return _is_up_to_date(connection, file, stored, layout, is_read=True)


def _stored(connection: Connection, sources: Sequence[Source], day: int) -> dict[str, str]:
    """State of the rows of a day that are stored, by version."""
    states = {
        str(one.stream.version): exported_rows.state_of_day(
            connection, one.stream, day, one.specification.classes
        )
        for one in sources
    }
    return {version: state.to_text() for version, state in states.items() if state.rows}


def _described(path: Path, relative: Path, rows: int, *, is_new: bool = False) -> Partition:
    file = _opened(path)
    assert file is not None
    with file:
        made = str(_footer(file)["made"])
    return Partition(relative.as_posix(), rows, path.stat().st_size, sha256_file(path), made, is_new)


def _opened(path: Path) -> "pq.ParquetFile | None":
    import pyarrow as pa
    import pyarrow.parquet as pq

    if not path.exists():
        return None
    try:
        if not path.is_file():
            raise ValueError("no file")
        file = pq.ParquetFile(path)
        _footer(file)
    except (pa.ArrowException, ValueError, KeyError, TypeError):
        raise IntegrityError(
            f"{path} is no partition that an export wrote whole: move it away and export again"
        ) from None
    return file


def _footer(file: "pq.ParquetFile") -> dict[str, Any]:
    """``form``, ``state`` (of the stored rows, by version) and ``made``."""
    footer: dict[str, Any] = json.loads((file.metadata.metadata or {})[_FOOTER])
    if footer["form"] != FORM:
        raise ValueError(footer["form"])
    return footer


def _is_up_to_date(
    connection: Connection,
    old: "pq.ParquetFile",
    stored: Mapping[str, str],
    layout: Layout,
    *,
    is_read: bool = False,
) -> bool:
    """True where the file holds every stored row with its outcome, none that was erased, and no column that is private now;
    its footer is believed, but where the rows ``is_read``."""
    if layout.withheld & set(old.schema_arrow.names):
        return False
    if not is_read and _footer(old)["state"] == stored:
        return True
    found: dict[str, RowsState] = {}
    gone = Gone(connection)
    for group in old.iter_batches(_GROUP_ROWS, columns=_KEYS):
        is_gone, is_erased = gone.look(group)
        if is_erased.any():
            return False
        there = np.flatnonzero(~is_gone)
        versions = group["version"].to_numpy()[there]
        for version in np.unique(versions).tolist():
            state = state_of_file(group.take(there[versions == version]))
            found[str(version)] = found.get(str(version), RowsState()) + state
    return {version: state.to_text() for version, state in found.items()} == stored


def _write(
    connection: Connection,
    folder: Path,
    sources: Sequence[Source],
    day: int,
    layout: Layout,
    stored: Mapping[str, str],
    old: "pq.ParquetFile | None",
) -> int:
    """Write a partition anew beside itself and put it in its place; returns its rows, of which there may be none."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = folder / folder_of(sources[0].stream.model, sources[0].stream.target, day) / PART
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = folder / TEMPORARY  # beside the data: who reads now sees whole partitions alone
    footer = json.dumps({"form": FORM, "state": dict(stored), "made": secrets.token_hex(8)})
    schema = layout.schema.with_metadata({_FOOTER: footer.encode()})
    rows = 0
    try:
        temporary.unlink(missing_ok=True)
        # a new file: a link that others put here leads the rows nowhere
        with temporary.open("xb") as stream, pq.ParquetWriter(stream, schema, compression="zstd") as writer:
            for table in _grouped(_tables(connection, sources, day, layout, old)):
                writer.write_table(
                    pa.Table.from_batches(table.to_batches(), schema), row_group_size=_GROUP_ROWS
                )
                rows += table.num_rows
        if rows:
            sync_file(temporary)
            temporary.replace(path)
            sync_folder(path.parent)
    finally:
        temporary.unlink(missing_ok=True)
    return rows


def _grouped(tables: Iterator["pa.Table"]) -> Iterator["pa.Table"]:
    import pyarrow as pa

    waiting: list[pa.Table] = []
    for table in tables:
        waiting.append(table)
        if sum(one.num_rows for one in waiting) >= _GROUP_ROWS:
            yield pa.concat_tables(waiting).unify_dictionaries().combine_chunks()
            waiting = []
    if waiting:
        yield pa.concat_tables(waiting).unify_dictionaries().combine_chunks()


def _tables(
    connection: Connection, sources: Sequence[Source], day: int, layout: Layout, old: "pq.ParquetFile | None"
) -> Iterator["pa.Table"]:
    """Rows of a day: those that were exported before and are stored no more, then those that are stored."""
    import pyarrow as pa

    if old is not None:
        gone = Gone(connection)
        for group in old.iter_batches(_GROUP_ROWS):
            is_gone, is_erased = gone.look(group)
            kept = np.flatnonzero(is_gone & ~is_erased)
            if kept.size:
                yield _conformed(pa.Table.from_batches([group.take(kept)]), layout)
    for one in sources:
        classes = one.specification.classes
        for part in exported_rows.rows_of_day(connection, one.stream, day, bool(classes)):
            yield _conformed(_table(part, one, layout), layout)


def _conformed(table: "pa.Table", layout: Layout) -> "pa.Table":
    """Columns in the layout's order and types; nulls where the rows have none."""
    import pyarrow as pa

    columns = []
    for field in layout.schema:
        if field.name not in table.column_names:
            columns.append(pa.nulls(table.num_rows, field.type))
            continue
        column = table[field.name]
        if column.type != field.type:
            if pa.types.is_dictionary(field.type) and not pa.types.is_dictionary(column.type):
                column = column.cast(pa.string()).dictionary_encode()
            column = column.cast(field.type)
        columns.append(column)
    return pa.Table.from_arrays(columns, schema=layout.schema)


def _table(part: ExportedRows, source: Source, layout: Layout) -> "pa.Table":
    import pyarrow as pa

    predictions, classes = part.predictions, source.specification.classes
    rows = predictions.rows
    producers, sequences = part.producers.texts(), part.sequences.tolist()
    foreign = predictions.ids or [""] * rows
    own = zip(foreign, producers, sequences, predictions.offsets.tolist(), strict=True)
    columns: dict[str, Any] = {
        "version": pa.array(np.full(rows, source.stream.version, np.int32)),
        "event_time": pa.array(predictions.times, pa.timestamp("us", "UTC")),
        "received_at": pa.array(part.received, pa.timestamp("us", "UTC")),
        "prediction_id": pa.array([text or f"{name}.{number}.{row}" for text, name, number, row in own]),
        "score": pa.array(predictions.scores, from_pandas=True),
        "producer": _texts(part.producers),
        "sequence": pa.array(part.sequences),
        "batch_row": pa.array(predictions.offsets),
    }
    if classes:
        known = np.minimum(part.outcomes, len(classes)).astype(np.uint32)
        columns["outcome"] = _texts(CodedColumn((*classes, None), known))
    else:
        columns["outcome"] = pa.array(part.outcomes, from_pandas=True)
    if len(predictions.traces):
        contexts = [stored_context(text) for text in predictions.traces.texts()]
        columns["trace_id"] = pa.array([trace or None for trace, _ in contexts], pa.string())
        columns["parent_id"] = pa.array([parent or None for _, parent in contexts], pa.string())
    if len(predictions.coded_labels):
        columns["label"] = _texts(predictions.coded_labels)
    if part.features is not None:
        for name, values in part.features.numeric.items():
            columns[layout.features[name]] = pa.array(values, from_pandas=True)
        for name, texts in part.features.categorical.items():
            columns[layout.features[name]] = _texts(texts)
    return pa.table(columns)


def _texts(column: CodedColumn) -> "pa.DictionaryArray":
    """Texts with nulls where they are missing; the dictionary holds no null, which readers do not agree on."""
    import pyarrow as pa

    vocabulary = list(column.vocabulary)
    codes = column.codes.astype(np.int32)
    if None not in vocabulary:
        return pa.DictionaryArray.from_arrays(pa.array(codes), pa.array(vocabulary, pa.string()))
    places = {text: place for place, text in enumerate(t for t in vocabulary if t is not None)}
    numbers = np.array([-1 if text is None else places[text] for text in vocabulary], np.int32)[codes]
    return pa.DictionaryArray.from_arrays(
        pa.array(numbers, pa.int32(), mask=numbers < 0), pa.array(list(places), pa.string())
    )


def _date(day: int) -> date:
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=day)).date()
