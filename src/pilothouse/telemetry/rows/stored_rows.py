"""Stored rows as they were served: a bounded sample of a stream's window."""

from collections.abc import Callable, Iterator

import numpy as np

from pilothouse.domain.errors import IntegrityError
from pilothouse.sqlite import Connection
from pilothouse.telemetry.rows.columns import Features, Ints, Predictions, decode_features, decode_predictions

ROWS_READ = 20_000_000
"""Rows in segments beyond which segments are skipped too."""


def sampled_rows(
    connection: Connection,
    stream_id: int,
    start_us: int,
    end_us: int,
    most: int,
    seed: int | None = None,
    *,
    read: int = ROWS_READ,
    damaged: Callable[[int, int], None] | None = None,
) -> Iterator[tuple[Predictions, Features, Ints]]:
    """Segments of a stream with the numbers of rows with start <= event time < end, ``most`` rows or a few more in all,
    evenly spread over the window, or drawn by a ``seed``: then what comes back every so many rows is met by its share, not
    always or never. Rows that retention has deleted are left out.

    Segments of about ``read`` rows are decoded, evenly spread, where there are more. ``damaged`` is told the number of each
    segment that cannot be read, and its rows, and the others go on; without it IntegrityError is raised.
    """
    bounds = (stream_id, start_us, end_us)
    where = "FROM segments WHERE stream_id=? AND last_event>=? AND first_event<?"
    (total,) = connection.execute(f"SELECT coalesce(sum(rows), 0) {where}", bounds).fetchone()
    every = max(1, total // max(most, 1))
    every_segment = max(1, total // max(read, 1))
    chance = None if seed is None else np.random.default_rng(seed)
    seen = 0
    segments = connection.execute(f"SELECT id, rows {where} ORDER BY id", bounds).fetchall()
    for number, rows in segments[::every_segment]:  # the bytes of the others are not read
        (head, body) = connection.execute(
            "SELECT predictions, features FROM segments WHERE id=?", (number,)
        ).fetchone()
        try:
            predictions, features = decode_predictions(head), None
            if damaged is not None:
                features = decode_features(body)
        except IntegrityError:
            if damaged is None:
                raise
            damaged(number, rows)
            continue
        inside = np.flatnonzero((predictions.times >= start_us) & (predictions.times < end_us))
        step = max(1, every // every_segment)
        places = seen + np.arange(inside.size) if chance is None else chance.integers(step, size=inside.size)
        chosen = inside[places % step == 0]
        seen += inside.size
        if chosen.size:
            yield predictions, features or decode_features(body), chosen
