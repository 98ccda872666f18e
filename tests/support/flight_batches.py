"""Prediction batches made of real flights, for tests of telemetry and monitoring."""

from collections.abc import Iterator
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd

from pilothouse.domain.formats.wire import PredictionBatch, RequestTiming
from pilothouse.statistics.profiles import outcome_profile
from pilothouse.statistics.profiles.outcome_profile import OutcomeProfile
from pilothouse.statistics.profiles.specification import ProfileSpecification, build_specification
from pilothouse.telemetry import TelemetryStore
from pilothouse.telemetry.intake.streams import find_stream
from pilothouse.telemetry.store import read_outcome_days

NUMERIC = (
    "distance",
    "hour",
    "seats",
    "plane_year",
    "temp",
    "dewp",
    "humid",
    "wind_speed",
    "pressure",
    "visib",
)
CATEGORICAL = ("carrier", "dest")
SAMPLE = Path(__file__).resolve().parents[2] / "sample_data" / "flights.parquet"
NOW_US = 1_790_000_000_000_000
"""A wall clock long after every flight."""


@cache
def flights(origin: str = "EWR") -> pd.DataFrame:
    """The flights of one airport, in time, with ``score``: a rule of thumb that grows with hour and wind."""
    rows = pd.read_parquet(SAMPLE)
    rows = rows[rows["origin"] == origin].sort_values("scheduled_at", kind="stable").reset_index(drop=True)
    raw = 0.12 * (rows["hour"] - 12) + 0.04 * rows["wind_speed"].fillna(10) - 1.5
    rows["score"] = 1 / (1 + np.exp(-raw))
    rows["label"] = (rows["score"] > 0.5).astype(int).astype(str)
    rows["at_us"] = rows["scheduled_at"].astype("datetime64[us, UTC]").astype("int64")
    return rows


def columns_of(rows: pd.DataFrame) -> tuple[dict[str, np.ndarray], dict[str, list[str | None]]]:
    """Numeric and categorical columns as statistics take them."""
    numeric = {name: rows[name].to_numpy(np.float64) for name in NUMERIC}
    categorical = {name: [str(v) for v in rows[name]] for name in CATEGORICAL}
    return numeric, categorical


@cache
def specification(until: str = "2013-04-01", origin: str = "EWR") -> ProfileSpecification:
    """The profile specification of a model trained on the first months."""
    rows = flights(origin)
    rows = rows[rows["scheduled_at"] < until]
    return build_specification("binary", *columns_of(rows), rows["score"].to_numpy(), ("0", "1"))


def batch_of(
    rows: pd.DataFrame,
    sequence: int,
    *,
    producer: str = "ewr-1",
    target: str = "ewr",
    model: str = "flight-delay",
    version: int = 1,
    latency_us: int = 5_000,
    calls: tuple[int, int] = (0, 0),
) -> PredictionBatch:
    """One request's rows as a serving process ships them."""
    numeric, categorical = columns_of(rows)
    return PredictionBatch(
        producer,
        sequence,
        target,
        model,
        version,
        len(rows),
        rows["at_us"].to_numpy("<i8").tobytes(),
        rows["score"].to_numpy("<f8").tobytes(),
        {name: values.astype("<f8").tobytes() for name, values in numeric.items()},
        categorical,
        rows["label"].tolist(),
        [RequestTiming(len(rows), latency_us, NOW_US, *calls)],
    )


def batches(rows: pd.DataFrame, size: int, **options: object) -> Iterator[PredictionBatch]:
    """The rows cut into batches of ``size``, numbered from 1."""
    for number, first in enumerate(range(0, len(rows), size), start=1):
        yield batch_of(rows.iloc[first : first + size], number, **options)  # type: ignore[arg-type]


def outcome_days(store: TelemetryStore) -> list[tuple[int, OutcomeProfile]]:
    """Start and outcome profile of every day that version 1 of ``flight-delay`` has on ``ewr``, oldest first."""
    with store.read() as connection:
        stream = find_stream(connection, "flight-delay", 1, "ewr")
        if stream is None:
            return []
        known = store.specification(connection, stream.id)
        days = read_outcome_days(connection, stream.id, 0, 1 << 62)
        return [(start, outcome_profile.decode(known, data)) for start, data in days]
