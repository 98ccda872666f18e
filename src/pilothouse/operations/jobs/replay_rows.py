"""Recorded rows as files for a replay: read from telemetry in one consistent state, a block at a time."""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pilothouse.domain.formats.time_units import DAY_US
from pilothouse.domain.jobs.replays import MOST_ROWS
from pilothouse.operations.services import Services
from pilothouse.sqlite import Connection
from pilothouse.statistics.profiles.coded import CodedColumn
from pilothouse.telemetry import Stream
from pilothouse.telemetry.rows import recorded_rows
from pilothouse.telemetry.rows.columns import Predictions, join_features, join_predictions
from pilothouse.telemetry.rows.recorded_rows import RecordedRows, Sampling

if TYPE_CHECKING:
    import pyarrow as pa

BLOCK_ROWS = 50_000
"""Rows in memory at once; a few more, for a segment is not cut."""
FEATURE = "feature:"
_FILE = "rows-{}.arrow"


@dataclass(frozen=True, slots=True)
class Exported:
    """Files of rows, one for each stream that has any, and what is stored of the span. ``sample`` None: every stored row."""

    paths: tuple[Path, ...]
    rows: int
    days_served: int
    days_stored: int
    rows_served: int
    rows_stored: int
    sample: int | None


def export(
    services: Services,
    folder: Path,
    model: str,
    regions: dict[str, str],
    span_us: tuple[int, int],
    *,
    most: int | None,
    seed: int,
    go_on: Callable[[int], bool],
) -> Exported:
    """Write the stored rows of a model with start <= event time < end into ``folder``; ``regions`` names the targets. A sample
    of ``most`` rows where there are more. ``go_on`` is called with the rows written; False ends it there."""
    start_us, end_us = span_us
    with services.telemetry.read() as connection:  # one state: both passes see the same rows
        streams = recorded_rows.streams_of(connection, model, tuple(regions))
        wanted = min(most or MOST_ROWS, MOST_ROWS)
        stored = {
            (stream.id, day): rows
            for stream in streams
            for day, rows in recorded_rows.days_stored(connection, stream, start_us, end_us).items()
        }
        served = {
            (stream.id, day): rows
            for stream in streams
            for day, rows in recorded_rows.days_served(connection, stream, start_us, end_us).items()
        }
        total = sum(stored.values())
        sampling = Sampling(wanted, seed, stored) if total > wanted else None
        if sampling is not None:
            for stream in streams:
                recorded_rows.show(connection, stream, start_us, end_us, sampling)
        paths: list[Path] = []
        written = 0
        for stream in streams:
            path = folder / _FILE.format(len(paths))
            rows = 0
            for rows in _write(services, connection, stream, span_us, sampling, path, regions[stream.target]):
                if not go_on(written + rows):
                    break
            if rows:
                paths.append(path)
            written += rows
    return Exported(
        tuple(paths),
        written,
        len({day for _, day in [*served, *stored]}),
        len({day for _, day in stored}),
        max(sum(served.values()), total),
        total,
        wanted if sampling is not None else None,
    )


def days_of(start_us: int, end_us: int) -> int:
    """Number of days that a span touches."""
    return -(-end_us // DAY_US) - start_us // DAY_US


def _write(
    services: Services,
    connection: Connection,
    stream: Stream,
    span_us: tuple[int, int],
    sampling: Sampling | None,
    path: Path,
    region: str,
) -> Iterator[int]:
    """Write the rows of a stream; yields how many there are after each block. No file where there are none."""
    import pyarrow as pa

    classes = services.telemetry.specification(connection, stream.id).classes
    about = {
        "version": str(stream.version),
        "target": stream.target,
        "region": region,
        "classes": json.dumps(list(classes)),
    }
    writer, rows = None, 0
    parts = recorded_rows.recorded_rows(connection, stream, *span_us, sampling, bool(classes))
    try:
        for group in _grouped(parts):
            foreign = any(any(part.predictions.ids) for part in group)
            batch = _record_batch(group)
            if writer is None:
                schema = batch.schema.with_metadata({**about, "foreign": str(int(foreign))})
                options = pa.ipc.IpcWriteOptions(compression="lz4")
                writer = pa.ipc.new_stream(str(path), schema, options=options)
            writer.write_batch(batch)
            rows += batch.num_rows
            yield rows
    finally:
        if writer is not None:
            writer.close()


def _grouped(parts: Iterator[RecordedRows]) -> Iterator[list[RecordedRows]]:
    """Parts together until they are a block."""
    group: list[RecordedRows] = []
    for part in parts:
        group.append(part)
        if sum(len(one.batches) for one in group) >= BLOCK_ROWS:
            yield group
            group = []
    if group:
        yield group


def _record_batch(group: Sequence[RecordedRows]) -> "pa.RecordBatch":
    """Columns as ``training/replay/recorded`` reads them."""
    import pyarrow as pa

    predictions: Predictions = join_predictions([part.predictions for part in group])
    features = join_features([part.features for part in group])
    columns: dict[str, Any] = {
        "event_time": pa.array(predictions.times),
        "batch": pa.array(np.concatenate([part.batches for part in group])),
        "place": pa.array(np.concatenate([part.places for part in group])),
        "score": pa.array(predictions.scores),
        "outcome": pa.array(np.concatenate([part.outcomes for part in group])),
    }
    if len(predictions.coded_labels):
        columns["label"] = _dictionary(predictions.coded_labels)
    columns |= {FEATURE + name: pa.array(values) for name, values in features.numeric.items()}
    columns |= {FEATURE + name: _dictionary(texts) for name, texts in features.categorical.items()}
    return pa.record_batch(columns)


def _dictionary(texts: CodedColumn) -> "pa.DictionaryArray":
    import pyarrow as pa

    return pa.DictionaryArray.from_arrays(
        pa.array(texts.codes.astype(np.int32)), pa.array(list(texts.vocabulary), pa.string())
    )
