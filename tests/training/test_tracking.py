"""What training code logged with MLflow, where it wrote the store itself."""

import json
import sqlite3
from pathlib import Path

from pilothouse.training import tracking


def test_a_store_that_cannot_be_read_takes_nothing_away_from_the_training(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "mlflow.db") as store:
        store.executescript(
            "CREATE TABLE runs (run_uuid, name, status, start_time, end_time);"
            "INSERT INTO runs VALUES ('r', 'n', 'FINISHED', 1, 2);"
            "CREATE TABLE params (run_uuid, key, value); CREATE TABLE tags (run_uuid, key, value);"
            "CREATE TABLE metrics (run_uuid, key, step, timestamp, value, is_nan);"
            "INSERT INTO metrics VALUES ('r', 'loss', 0, 1, 'high', 0);"
        )
    store.close()
    logged, files = tracking.end(tmp_path)
    assert files is None
    assert logged is not None
    assert "high" in json.loads(logged)["fault"]
