"""Stored rows as they were served: a bounded sample of a stream's window."""

from collections.abc import Iterator

import numpy as np

from pilothouse.sqlite import Connection
from pilothouse.telemetry.rows.columns import Features, Ints, Predictions, decode_features, decode_predictions

_ROWS_READ = 20_000_000
"""Rows in segments beyond which segments are skipped too."""


def sampled_rows(
    connection: Connection, stream_id: int, start_us: int, end_us: int, most: int
) -> Iterator[tuple[Predictions, Features, Ints]]:
    """Segments of a stream with the numbers of rows with start <= event time < end, ``most`` rows or a few more in all,
    evenly spread over the window. Rows that retention has deleted are left out."""
    bounds = (stream_id, start_us, end_us)
    where = "FROM segments WHERE stream_id=? AND last_event>=? AND first_event<?"
    (total,) = connection.execute(f"SELECT coalesce(sum(rows), 0) {where}", bounds).fetchone()
    every = max(1, total // max(most, 1))
    every_segment = max(1, total // _ROWS_READ)
    seen = 0
    for number, (head, body) in enumerate(
        connection.execute(f"SELECT predictions, features {where} ORDER BY id", bounds)
    ):
        if number % every_segment:
            continue
        predictions = decode_predictions(head)
        inside = np.flatnonzero((predictions.times >= start_us) & (predictions.times < end_us))
        chosen = inside[(seen + np.arange(inside.size)) % max(1, every // every_segment) == 0]
        seen += inside.size
        if chosen.size:
            yield predictions, decode_features(body), chosen
