"""Exported predictions as pyarrow, pandas, DuckDB and Polars read them: the same rows, and where their types differ."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pyarrow.dataset as ds
import pytest

from pilothouse.domain.formats.wire import Outcome
from pilothouse.operations.ingest import ingest
from pilothouse.operations.upkeep import telemetry_export
from support.flight_batches import batch_of
from support.monitored_flights import admin, make_watched, traffic

pytestmark = pytest.mark.skipif(
    os.environ.get("PILOTHOUSE_ECOSYSTEM") != "1", reason="a long form: make test-ecosystem"
)
OUTCOMES = 5
POLARS = """
import json, sys
from datetime import date
import polars as pl
scan = pl.scan_parquet(sys.argv[1])
schema, frame = scan.collect_schema(), scan.collect()
print(json.dumps({
    "types": [str(schema[name]) for name in ("date", "target", "plane_year", "event_time", "carrier")],
    "rows": len(frame),
    "null": frame["plane_year"].null_count(),
    "nan": int(frame["plane_year"].is_nan().sum()),
    "outcomes": frame["outcome"].count(),
    "carriers": frame.sort("target", "sequence", "batch_row")["carrier"].to_list(),
    "day": frame.filter(pl.col("date") == date(2013, 4, 2)).height,
    "by pattern": "date" in pl.scan_parquet(sys.argv[1] + "/**/*.parquet").collect_schema().names(),
}))
"""


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Predictions of two targets on three days, some plane years missing and five outcomes known."""
    root = tmp_path_factory.mktemp("a folder")
    services = make_watched(root / "workspace")
    for target in ("ewr", "jfk"):
        rows = traffic(target, 0, 3)
        for number, first in enumerate(range(0, len(rows), 50)):
            part = rows.iloc[first : first + 50]
            ingest.ingest_batch(services, batch_of(part, number, producer=f"{target}-1", target=target))
    ingest.ingest_outcomes(services, [Outcome(f"ewr-1.0.{row}", "1") for row in range(OUTCOMES)])
    telemetry_export.export(services, admin(services), root / "out", telemetry_export.Selected())
    services.close()
    return root / "out" / "predictions"


def whole(data: Path) -> pd.DataFrame:
    """Reference: the rows as pyarrow reads them."""
    frame: pd.DataFrame = ds.dataset(data, format="parquet", partitioning="hive").to_table().to_pandas()
    return frame


def test_duckdb_reads_the_rows_and_the_day_as_a_date(data: Path) -> None:
    duckdb = pytest.importorskip("duckdb")
    source = f"read_parquet('{data}/**/*.parquet')"
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    types = {row[0]: row[1] for row in connection.execute(f"DESCRIBE SELECT * FROM {source}").fetchall()}
    names = ("date", "target", "event_time", "label", "carrier", "plane_year")
    assert [types[name] for name in names] == [
        "DATE", "VARCHAR", "TIMESTAMP WITH TIME ZONE", "VARCHAR", "VARCHAR", "DOUBLE",
    ]  # fmt: skip
    expected = whole(data)
    (found,) = connection.execute(
        f"SELECT count(*), count(plane_year), count(outcome), sum(score), max(event_time)::VARCHAR FROM {source}"
    ).fetchall()
    assert found[:3] == (len(expected), expected["plane_year"].count(), OUTCOMES)
    assert found[3] == pytest.approx(expected["score"].sum(), rel=1e-12)
    assert pd.Timestamp(found[4]) == expected["event_time"].max()
    one = connection.execute(f"SELECT count(*) FROM {source} WHERE date = DATE '2013-04-02'").fetchall()
    assert one == [(int((expected["date"] == "2013-04-02").sum()),)]


def test_polars_reads_the_rows_the_day_as_a_date_and_texts_as_categories(data: Path) -> None:
    pytest.importorskip("polars")
    done = subprocess.run(  # a process of its own: its threads stay for good
        [sys.executable, "-c", POLARS, str(data)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    found, expected = json.loads(done.stdout), whole(data)
    assert found["types"] == [
        "Date",
        "String",
        "Float64",
        "Datetime(time_unit='us', time_zone='UTC')",
        "Categorical",
    ]
    assert found["rows"] == len(expected)
    assert (found["null"], found["nan"]) == (expected["plane_year"].isna().sum(), 0)
    assert found["outcomes"] == OUTCOMES
    ordered = expected.sort_values(["target", "sequence", "batch_row"])
    assert found["carriers"] == ordered["carrier"].tolist()
    assert found["day"] == (expected["date"] == "2013-04-02").sum()
    assert not found["by pattern"]  # by a pattern it reads no folder names, unless it is told to


def test_pandas_reads_the_rows_and_folder_names_as_categories_of_texts(data: Path) -> None:
    frame = pd.read_parquet(data)
    assert {str(frame[name].dtype) for name in ("model", "target", "date", "carrier", "label")} == {
        "category"
    }
    assert str(frame["event_time"].dtype) == "datetime64[us, UTC]"
    assert frame["date"].iloc[0] == "2013-04-01"
    assert (len(frame), frame["outcome"].count()) == (len(whole(data)), OUTCOMES)
    day = pd.read_parquet(data, filters=[("date", "==", "2013-04-02"), ("target", "==", "jfk")])
    assert len(day) == ((frame["date"] == "2013-04-02") & (frame["target"] == "jfk")).sum() > 0
