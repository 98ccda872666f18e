"""Rows predicted in production, as files for jobs: rows with known outcome for backtests, a window's rows for comparisons."""

import io
from datetime import datetime
from typing import TYPE_CHECKING, Any

from pilothouse.domain.errors import IntegrityError, NotFoundError
from pilothouse.domain.formats.time_units import from_us, to_us
from pilothouse.domain.identifiers import version_uri
from pilothouse.operations.services import Services
from pilothouse.telemetry import Stream
from pilothouse.telemetry.rows.columns import Features, Ints, Predictions
from pilothouse.telemetry.rows.retention import deleted_before_us
from pilothouse.telemetry.rows.stored_rows import sampled_rows

if TYPE_CHECKING:
    import pyarrow as pa

EVENT_TIME, OUTCOME = "event_time", "truth"
_FAR = 1 << 62


def labelled_rows(
    services: Services,
    model: str,
    since: datetime | None = None,
    until: datetime | None = None,
    target: str | None = None,
) -> bytes:
    """Parquet file of a model's served rows with known outcome and ``since`` <= event time < ``until``, by time.

    Columns: the features (float64, or text), ``truth`` (text for a classification, float64 for a regression) and
    ``event_time`` (UTC). Rows are of every version and, without ``target``, of every target. A feature that an older version
    lacked is missing in its rows. Raises NotFoundError where there is no such row, or ``since`` lies before rows that
    retention has deleted, and IntegrityError where some are damaged: what is scored without them would be of other days.
    """
    since_us = to_us(since) if since else -_FAR
    until_us = to_us(until) if until else _FAR
    with services.telemetry.read() as connection:
        deleted_us = deleted_before_us(connection, model, target)
    if deleted_us is not None and since is not None and since_us < deleted_us:
        raise NotFoundError(
            f"predictions of {model} before {from_us(deleted_us):%Y-%m-%d %H:%M} UTC were deleted by retention: "
            "begin after that"
        )
    batches = services.telemetry.labelled_batches(model, target, since_us, until_us)
    parts = [
        _table(predictions, features, rows, outcomes) for _, predictions, features, rows, outcomes in batches
    ]
    if not parts:
        on_target = f" on {target}" if target else ""
        advice = "send outcomes with pilothouse labels"
        if deleted_us is not None:
            advice = f"those before {from_us(deleted_us):%Y-%m-%d %H:%M} UTC were deleted by retention"
        raise NotFoundError(
            f"{model}{on_target} has no predictions with known outcome in that time: {advice}"
        )
    return _parquet(parts)


def window_rows(services: Services, stream: Stream, start_us: int, end_us: int, most: int) -> bytes:
    """Parquet file of about ``most`` rows, evenly spread, of a stream's window: the features and ``event_time``.

    Raises NotFoundError where no row is kept, IntegrityError where some are damaged.
    """
    lost: list[int] = []
    with services.telemetry.read() as connection:
        samples = sampled_rows(
            connection, stream.id, start_us, end_us, most, damaged=lambda _, rows: lost.append(rows)
        )
        parts = [_table(predictions, features, rows) for predictions, features, rows in samples]
    if lost:
        raise IntegrityError(
            f"{version_uri(stream.model, stream.version)} on {stream.target}: {sum(lost):,} of its stored rows from "
            f"{from_us(start_us):%Y-%m-%d %H:%M} to {from_us(end_us):%Y-%m-%d %H:%M} are damaged, so the window is not "
            "compared: pilothouse doctor says what to do"
        )
    if not parts:
        raise NotFoundError(
            f"{version_uri(stream.model, stream.version)} on {stream.target} has no rows from "
            f"{from_us(start_us):%Y-%m-%d %H:%M} to {from_us(end_us):%Y-%m-%d %H:%M}, or they are not kept any more"
        )
    return _parquet(parts)


def _table(predictions: Predictions, features: Features, rows: Ints, outcomes: Any = None) -> "pa.Table":
    """Features (float64 with nulls, or text), outcomes and event times of some rows of a batch."""
    import pyarrow as pa

    columns: dict[str, Any] = {
        name: pa.array(values[rows], from_pandas=True) for name, values in features.numeric.items()
    }
    columns |= {
        name: pa.array(texts.take(rows).texts(), pa.string()) for name, texts in features.categorical.items()
    }
    if outcomes is not None:
        columns[OUTCOME] = pa.array(outcomes)
    columns[EVENT_TIME] = pa.array(predictions.times[rows], pa.timestamp("us", tz="UTC"))
    return pa.table(columns)


def _parquet(parts: "list[pa.Table]") -> bytes:
    """Tables as one file, by time."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    whole = pa.concat_tables(parts, promote_options="default").sort_by(EVENT_TIME)
    out = io.BytesIO()
    pq.write_table(whole, out, compression="zstd")
    return out.getvalue()
