"""Rows with which sources of each kind are compared: what the door for files makes of them is what each has to give."""

import tempfile
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pilothouse.domain.models.model_file import load_spec
from pilothouse.domain.tables.table_form import training_form
from pilothouse.tables.digests import content_digest
from pilothouse.tables.urls.fetching import in_order
from pilothouse.training.data.sources import read_source

MODEL = """
name = "late"
task = "binary"
owner = "somebody"

[data]
source = "rows.parquet"
target = "late"
timestamp = "at"
timezone = "Europe/Berlin"
features = ["wind", "rain", "port", "code", "big", "flag", "fare"]
categoricals = ["port", "code", "big", "flag", "fare"]
exclude = ["delay"]
private = ["passenger"]
outcome_delay = "1d"
holdout = "2d"

[training]
estimator = "sklearn.linear_model.LogisticRegression"

[[targets]]
name = "north"
"""
SPEC = load_spec(MODEL, "model.toml")
FORM = training_form(SPEC)


def rows(count: int = 500, seed: int = 0) -> pa.Table:
    """Rows with what each system stores in a way of its own: decimals, instants, large whole numbers, missing values."""
    rng = np.random.default_rng(seed)
    start, wall = datetime(2024, 3, 1, tzinfo=UTC), datetime(2024, 3, 31, 2, 30)  # noqa: DTZ001
    none = lambda values: [None if i % 7 == 3 else value for i, value in enumerate(values)]  # noqa: E731
    columns = {
        "at": pa.array(
            [start + timedelta(minutes=13 * i, microseconds=i) for i in range(count)],
            pa.timestamp("us", "UTC"),
        ),
        "wall": pa.array([wall + timedelta(hours=i) for i in range(count)], pa.timestamp("us")),
        "day": pa.array(none([date(1969, 12, 30) + timedelta(days=i) for i in range(count)]), pa.date32()),
        "wind": pa.array(none(rng.gamma(2, 3, count).tolist()), pa.float64()),
        "rain": pa.array(
            none([Decimal(int(x)) / 1000 for x in rng.integers(-(10**6), 10**6, count)]), pa.decimal128(12, 3)
        ),
        "fare": pa.array(
            none([Decimal(int(x)) / 100 for x in rng.integers(0, 9, count) * 25]), pa.decimal128(10, 2)
        ),
        "code": pa.array(none([(1 << 53) + int(x) for x in rng.integers(0, 5, count)]), pa.int64()),
        "big": pa.array(
            none([Decimal((1 << 66) + int(x)) for x in rng.integers(0, 5, count)]), pa.decimal128(25, 0)
        ),
        "flag": pa.array(none((rng.random(count) < 0.5).tolist()), pa.bool_()),
        "port": pa.array(
            none([["02116", "N", "", "naïve ✈", "None"][x] for x in rng.integers(0, 5, count)]), pa.string()
        ),
        "late": pa.array(rng.integers(0, 2, count).tolist(), pa.int32()),
        "delay": pa.array(rng.integers(0, 90, count).tolist(), pa.int32()),
        "passenger": pa.array([f"person {x}" for x in range(count)], pa.string()),
    }
    return pa.table(columns)


def digest(table: pa.Table) -> str:
    """Digest of the rows as the snapshot reads them from the file that they are written to."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.parquet"
        pq.write_table(in_order(table, FORM), path)
        return content_digest(read_source(path, SPEC)[0])


def digest_of_files() -> str:
    """Digest of the rows as the door for files reads them."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.parquet"
        pq.write_table(rows(), path)
        return content_digest(read_source(path, SPEC)[0])
