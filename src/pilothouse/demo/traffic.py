"""Traffic day by day: rows to predict, grouped as requests, and their outcomes."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from pilothouse.domain.formats.time_units import HOUR_US, to_us
from pilothouse.domain.models.model_spec import ModelSpec


@dataclass(frozen=True, slots=True)
class Request:
    """The rows of an hour, or of a few, on one target: one HTTP request. A row maps features and the timestamp to values."""

    rows: list[dict[str, Any]]
    outcomes: list[float | str]


@dataclass(frozen=True, slots=True)
class Stream:
    """All requests of one model on one target, by day, oldest first."""

    model: str
    target: str
    days: dict[date, list[Request]]

    def first_day(self) -> date:
        """The first day with rows."""
        return min(self.days)


def read_streams(
    spec: ModelSpec, models_folder: Path, since: datetime, until: datetime, *, hours: int
) -> list[Stream]:
    """The rows of ``[since, until)`` from the model's own source, one stream a target, ``hours`` of them a request.

    Only the features go into a request; the target column is kept apart until it comes true.
    """
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    table = pq.read_table((models_folder / spec.name / spec.data.source).resolve())
    times = _times_us(table.column(spec.data.timestamp), spec.data.timezone)
    order = pc.sort_indices(times)
    table, times = table.take(order), times.take(order)
    low, high = to_us(since), to_us(until)
    keep = pc.and_(pc.greater_equal(times, low), pc.less(times, high))
    table, times = table.filter(keep), times.filter(keep)
    streams = []
    for target in spec.targets:
        mask = None
        for column, value in target.match.items():
            equal = pc.equal(table.column(column), value)
            mask = equal if mask is None else pc.and_(mask, equal)
        rows, at = (table, times) if mask is None else (table.filter(mask), times.filter(mask))
        streams.append(Stream(spec.name, target.name, _by_day(spec, rows, at.to_pylist(), hours)))
    return streams


def _by_day(spec: ModelSpec, rows: Any, times: list[int], hours: int) -> dict[date, list[Request]]:
    columns = [rows.column(name).to_pylist() for name in spec.data.features]
    names = (*spec.data.features, spec.data.timestamp)
    inputs = [dict(zip(names, values, strict=True)) for values in zip(*columns, times, strict=True)]
    outcomes = rows.column(spec.data.target).to_pylist()
    if spec.task != "regression":
        outcomes = [str(value) for value in outcomes]
    days: dict[date, list[Request]] = {}
    for start, end in _spans(times, hours * HOUR_US):
        request = Request(inputs[start:end], outcomes[start:end])
        day = (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=times[start])).date()
        days.setdefault(day, []).append(request)
    return days


def _spans(times: list[int], width: int) -> Iterator[tuple[int, int]]:
    start = 0
    for i in range(1, len(times) + 1):
        if i == len(times) or times[i] // width != times[start] // width:
            yield start, i
            start = i


def _times_us(column: Any, timezone: str | None) -> Any:
    """Microseconds UTC. Naive times are read on the clock of ``timezone``."""
    import pyarrow as pa

    if column.type.tz is not None or timezone is None:
        return column.cast(pa.timestamp("us")).cast(pa.int64()).combine_chunks()
    zone = ZoneInfo(timezone)
    return pa.array([to_us(value.replace(tzinfo=zone)) for value in column.to_pylist()], pa.int64())
