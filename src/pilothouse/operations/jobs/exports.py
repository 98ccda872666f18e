"""Rows that were predicted in production, as files for jobs: with known outcome for backtests, a window's for comparing it."""

import io
from datetime import datetime
from typing import Any

from pilothouse.domain.errors import NotFoundError
from pilothouse.domain.identifiers import version_uri
from pilothouse.domain.time_units import from_us, to_us
from pilothouse.operations.services import Services
from pilothouse.telemetry import Stream
from pilothouse.telemetry.columns import Features, Ints
from pilothouse.telemetry.retention import deleted_before_us
from pilothouse.telemetry.stored_rows import sampled_rows

EVENT_TIME, OUTCOME = "event_time", "truth"
_FAR = 1 << 62


def labelled_rows(
    services: Services,
    model: str,
    since: datetime | None = None,
    until: datetime | None = None,
    target: str | None = None,
) -> bytes:
    """A parquet file of the model's served rows with known outcome and ``since`` <= event time < ``until``, by time.

    Columns: the features (float64, or text), ``truth`` (text for a classification, float64 for a regression) and
    ``event_time`` (UTC). Rows of every version and, unless one is named, every target. A feature that an older version
    did not have is missing in its rows. Raises NotFoundError where there is no such row, or where ``since`` reaches back
    to rows that retention has deleted.
    """
    import pyarrow as pa

    since_us = to_us(since) if since else -_FAR
    until_us = to_us(until) if until else _FAR
    with services.telemetry.read() as connection:
        gone_us = deleted_before_us(connection, model, target)
    if gone_us is not None and since is not None and since_us < gone_us:
        raise NotFoundError(
            f"predictions of {model} before {from_us(gone_us):%Y-%m-%d %H:%M} UTC were deleted by retention: "
            "begin after that"
        )
    parts = []
    for _, predictions, features, places, kept_outcomes in services.telemetry.labelled_batches(
        model, target, since_us, until_us
    ):
        columns = _columns(features, places)
        columns[OUTCOME] = pa.array(kept_outcomes)
        columns[EVENT_TIME] = pa.array(predictions.times[places], pa.timestamp("us", tz="UTC"))
        parts.append(pa.table(columns))
    if not parts:
        where = f" on {target}" if target else ""
        if gone_us is not None:
            raise NotFoundError(
                f"{model}{where} has no predictions with known outcome in that time: those before "
                f"{from_us(gone_us):%Y-%m-%d %H:%M} UTC were deleted by retention"
            )
        raise NotFoundError(
            f"{model}{where} has no predictions with known outcome in that time: send outcomes with pilothouse labels"
        )
    return _parquet(parts)


def window_rows(services: Services, stream: Stream, start_us: int, end_us: int, most: int) -> bytes:
    """A parquet file of ``most`` rows of a stream's window (or a few more, evenly spread): the features and ``event_time``.

    Raises NotFoundError where no row is kept.
    """
    import pyarrow as pa

    parts = []
    with services.telemetry.read() as connection:
        for predictions, features, places in sampled_rows(connection, stream.id, start_us, end_us, most):
            columns = _columns(features, places)
            columns[EVENT_TIME] = pa.array(predictions.times[places], pa.timestamp("us", tz="UTC"))
            parts.append(pa.table(columns))
    if not parts:
        raise NotFoundError(
            f"{version_uri(stream.model, stream.version)} on {stream.target} has no rows from "
            f"{from_us(start_us):%Y-%m-%d %H:%M} to {from_us(end_us):%Y-%m-%d %H:%M}, or they are not kept any more"
        )
    return _parquet(parts)


def _columns(features: Features, places: Ints) -> dict[str, Any]:
    """The features of some rows of a batch: float64 with nulls where missing, or text."""
    import pyarrow as pa

    columns: dict[str, Any] = {
        name: pa.array(values[places], from_pandas=True) for name, values in features.numeric.items()
    }
    return columns | {
        name: pa.array(texts.take(places).texts(), pa.string())
        for name, texts in features.categorical.items()
    }


def _parquet(parts: list[Any]) -> bytes:
    """All tables as one file, by time."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    whole = pa.concat_tables(parts, promote_options="default").sort_by(EVENT_TIME)
    out = io.BytesIO()
    pq.write_table(whole, out, compression="zstd")
    return out.getvalue()
