"""Rows that were predicted in production and whose outcome is known, for backtests."""

import io
from datetime import datetime

from pilothouse.domain.errors import NotFoundError
from pilothouse.telemetry import to_us

from .services import Services

EVENT_TIME, TRUTH = "event_time", "truth"
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
    did not have is missing in its rows. Raises NotFoundError where there is no such row.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    since_us = to_us(since) if since else -_FAR
    until_us = to_us(until) if until else _FAR
    parts = []
    for _, predictions, features, places, truth in services.telemetry.labelled_batches(
        model, target, since_us, until_us
    ):
        columns: dict[str, pa.Array] = {
            name: pa.array(values[places], from_pandas=True) for name, values in features.numeric.items()
        }
        columns |= {
            name: pa.array([texts[i] for i in places], pa.string())
            for name, texts in features.categorical.items()
        }
        columns[TRUTH] = pa.array(truth)
        columns[EVENT_TIME] = pa.array(predictions.times[places], pa.timestamp("us", tz="UTC"))
        parts.append(pa.table(columns))
    if not parts:
        where = f" on {target}" if target else ""
        raise NotFoundError(
            f"{model}{where} has no predictions with known outcome in that time: send outcomes with pilothouse labels"
        )
    whole = pa.concat_tables(parts, promote_options="default").sort_by(EVENT_TIME)
    out = io.BytesIO()
    pq.write_table(whole, out, compression="zstd")
    return out.getvalue()
