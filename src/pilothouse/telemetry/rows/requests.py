"""Requests of batches as columns: when each was, how long it took, and how long the model's calls took."""

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np

from pilothouse.telemetry.rows.columns import Ints, Predictions


@dataclass(frozen=True, slots=True, eq=False)
class Requests:
    """Columns int64[requests]: event ``times``, latencies, rows; ``called_us`` and ``usual_us`` are 0 where not known."""

    times: Ints
    latency_us: Ints
    rows: Ints
    called_us: Ints
    usual_us: Ints


def requests_of(kept: Predictions, rows_sent: int) -> Requests:
    """Requests of a batch of so many rows, of which some were kept. The time is that of a request's first row that was kept,
    else of the batch's last."""
    packed = kept.requests
    rows, latencies = (np.frombuffer(c, "<i8").astype(np.int64) for c in (packed.rows, packed.latency_us))
    called, usual = (
        np.frombuffer(column, "<i8").astype(np.int64) if column else np.zeros(len(rows), np.int64)
        for column in (packed.called_us, packed.usual_us)
    )
    first = np.cumsum(rows) - rows
    if kept.rows == rows_sent:
        times = kept.times[np.minimum(first, kept.rows - 1)]
    else:
        index = np.searchsorted(kept.offsets, first)
        within = np.minimum(index, kept.rows - 1)
        inside = (index < kept.rows) & (kept.offsets[within] < first + rows)
        times = np.where(inside, kept.times[within], kept.times[-1])
    return Requests(times, latencies, rows, called, usual)


def joined_requests(parts: Sequence[Requests]) -> Requests:
    """The requests of several batches, one after the other."""
    if len(parts) == 1:
        return parts[0]
    names = [field.name for field in fields(Requests)]
    return Requests(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))
