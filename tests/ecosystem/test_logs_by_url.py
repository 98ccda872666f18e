"""A log of predictions in an object store, folded by confined processes: the same profiles as from files."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pilothouse.domain.errors import InvalidInputError
from pilothouse.domain.formats.time_units import DAY_US
from pilothouse.domain.models.model_file import load_spec
from pilothouse.domain.monitoring.log_profiles import log_place
from pilothouse.execution.launcher_client import Launcher
from pilothouse.operations.monitoring.log_reading import FoldedLog, LogReader
from pilothouse.statistics.profiles.specification import build_specification
from support.source_servers import SECRET_KEY, elsewhere, make_bucket, put, s3

pytestmark = pytest.mark.skipif(
    os.environ.get("PILOTHOUSE_ECOSYSTEM") != "1", reason="a long form: make test-ecosystem"
)
SPEC = load_spec(
    """
name = "late"
task = "binary"
owner = "somebody"
[data]
source = "rows.parquet"
target = "late"
timestamp = "at"
features = ["wind", "port"]
categoricals = ["port"]
[training]
estimator = "sklearn.linear_model.LogisticRegression"
[[targets]]
name = "north"
""",
    "model.toml",
)


def rows(day: int) -> pa.Table:
    rng = np.random.default_rng(day)
    times = np.int64(1_700_000_000_000_000) + day * DAY_US + rng.integers(0, DAY_US, 500)
    return pa.table(
        {
            "event_time": pa.array(times, pa.timestamp("us", "UTC")),
            "score": rng.random(500),
            "wind": rng.normal(5, 2, 500),
            "port": rng.choice(["N", "S"], 500),
        }
    )


@pytest.fixture(scope="module")
def store() -> Iterator[str]:
    pytest.importorskip("s3fs")
    with s3() as address, elsewhere() as run:
        run(make_bucket, address, "logs")
        for day in range(4):
            sink = pa.BufferOutputStream()
            pq.write_table(rows(day), sink)
            run(put, address, "logs", f"predictions/day={day}/part.parquet", sink.getvalue().to_pybytes())
        run(put, address, "logs", "predictions/_SUCCESS", b"")
        yield address


def fold(named: str, processes: int, credentials: str = "") -> FoldedLog:
    first = rows(0)
    specification = build_specification(
        "binary",
        {"wind": first["wind"].to_numpy()},
        {"port": first["port"].to_pylist()},
        first["score"].to_numpy(),
        ("0", "1"),
    )
    with Launcher(isolation="warn") as launcher:
        reader = LogReader(launcher, processes, credentials)
        return reader.fold(log_place(named), SPEC, specification, DAY_US, lambda _: None)


def test_a_log_in_a_store_is_folded_as_the_same_files_are(
    store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for day in range(4):
        pq.write_table(rows(day), tmp_path / f"{day}.parquet")
    settings = {
        "endpoint_url": store,
        "access_key_id": "someone",
        "secret_access_key": SECRET_KEY,
        "region": "us-east-1",
        "for": "s3://logs",
    }
    monkeypatch.setenv("LOGS_SECRET", json.dumps(settings))
    here = fold(str(tmp_path), 1)
    for named in ("s3://logs/predictions", "s3://logs/predictions/*/*.parquet"):
        there = fold(named, 2, "env:LOGS_SECRET")
        assert there.profiles.to_bytes() == here.profiles.to_bytes()
        assert (there.rows, there.files) == (2_000, 4)
    with pytest.raises(InvalidInputError, match=r"^log: "):
        fold("s3://logs/none", 1, "env:LOGS_SECRET")
