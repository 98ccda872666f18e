"""Newest estimates of many deployments, and totals of telemetry, for metrics."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

import msgspec

from pilothouse.domain.formats.time_units import from_us
from pilothouse.sqlite import Connection
from pilothouse.telemetry.windows.readings import ESTIMATE


class EstimatedFigure(msgspec.Struct):
    """The part of an estimate that metrics are made of; None for a figure that is not known."""

    metric: str
    value: float | None = None
    low: float | None = None
    high: float | None = None


_ESTIMATE = msgspec.json.Decoder(EstimatedFigure)


@dataclass(frozen=True, slots=True)
class Totals:
    """Totals of telemetry. ``batches`` and ``rejected`` are of all time."""

    batches: int
    rows: int
    rejected: int
    last_arrival: datetime | None


def newest_estimates(
    connection: Connection, deployed: Iterable[tuple[str, int, str]]
) -> Iterator[tuple[str, str, datetime, EstimatedFigure]]:
    """(model, target, end of the window, estimate) of those of these (model, version, target) that have one."""
    rows = connection.execute(
        "SELECT s.model, s.target, r.window_end, r.data FROM json_each(?) k CROSS JOIN streams s ON s.model = k.value ->> 0 "
        "AND s.version = k.value ->> 1 AND s.target = k.value ->> 2 CROSS JOIN readings r ON r.id = "
        "(SELECT id FROM readings n WHERE n.stream_id = s.id AND n.monitor = ? AND n.subject = '' "
        "ORDER BY n.window_end DESC LIMIT 1)",
        (json.dumps([list(key) for key in deployed]), ESTIMATE),
    )
    for model, target, end, data in rows:
        figure = _ESTIMATE.decode(data)
        if figure.value is not None:
            yield model, target, from_us(end), figure


def totals(connection: Connection) -> Totals:
    """Totals over all streams."""
    (batches,) = connection.execute("SELECT max(id) FROM batches").fetchone()
    (rejected,) = connection.execute("SELECT sum(count) FROM rejected_totals").fetchone()
    rows, arrival = connection.execute("SELECT sum(rows), max(last_arrival) FROM streams").fetchone()
    return Totals(batches or 0, rows or 0, rejected or 0, from_us(arrival))
