"""What training code logged with MLflow, where it wrote the store itself."""

import json
import sqlite3
from pathlib import Path

import pytest

from pilothouse.presentation.version_texts import logged_text
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
    logged, files, _ = tracking.end(tmp_path)
    assert files is None
    assert logged is not None
    assert "high" in json.loads(logged)["fault"]


def test_what_is_beyond_the_bounds_is_counted_and_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tracking, "MOST_POINTS", 3)
    monkeypatch.setattr(tracking, "MOST_ROWS", 1)
    monkeypatch.setattr(tracking, "_MOST_FILES", 2)
    with sqlite3.connect(tmp_path / "mlflow.db") as store:
        store.executescript(
            "CREATE TABLE runs (run_uuid, name, status, start_time, end_time);"
            "INSERT INTO runs VALUES ('r', 'n', 'FINISHED', 1, 2);"
            "CREATE TABLE params (run_uuid, key, value); CREATE TABLE tags (run_uuid, key, value);"
            "INSERT INTO params VALUES ('r', 'a', '1'), ('r', 'b', '2');"
            "CREATE TABLE metrics (run_uuid, key, step, timestamp, value, is_nan);"
        )
        store.executemany("INSERT INTO metrics VALUES ('r', 'loss', ?, 1, 0.5, 0)", [(i,) for i in range(5)])
    store.close()
    (tmp_path / "mlruns").mkdir()
    for name in ("a.txt", "b.pkl", "c.txt", "d.txt"):
        (tmp_path / "mlruns" / name).write_text("x")
    logged, _, said = tracking.end(tmp_path)
    assert logged is not None
    record = json.loads(logged)
    assert record["left_out"] == {"parameters": 1, "points": 2, "files": 3}
    assert said == "not kept of what was logged with MLflow: 1 parameter, 2 points, 3 files"
    assert said in logged_text(record)


def test_data_sets_are_kept_with_their_tags_and_a_long_one_is_counted(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "mlflow.db") as store:
        store.executescript(
            "CREATE TABLE runs (run_uuid, name, status, start_time, end_time);"
            "INSERT INTO runs VALUES ('r', 'n', 'FINISHED', 1, 2);"
            "CREATE TABLE params (run_uuid, key, value); CREATE TABLE tags (run_uuid, key, value);"
            "CREATE TABLE metrics (run_uuid, key, step, timestamp, value, is_nan);"
            "CREATE TABLE datasets (dataset_uuid, name, digest, dataset_source_type, dataset_source, dataset_schema, "
            "dataset_profile);"
            "CREATE TABLE inputs (input_uuid, source_type, source_id, destination_type, destination_id);"
            "CREATE TABLE input_tags (input_uuid, name, value);"
            "INSERT INTO inputs VALUES ('i', 'DATASET', 'd', 'RUN', 'r'), ('j', 'DATASET', 'e', 'RUN', 'r');"
            "INSERT INTO input_tags VALUES ('i', 'mlflow.data.context', 'training');"
        )
        rows = [
            ("d", "rows", "1", "local", "{}", None, "{}"),
            ("e", "wide", "2", "local", "{}", "x" * 200_000, "{}"),
        ]
        store.executemany("INSERT INTO datasets VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
    store.close()
    logged, _, said = tracking.end(tmp_path)
    assert logged is not None
    record = json.loads(logged)
    (kept,) = record["runs"][0]["data_sets"]
    assert (kept["name"], kept["schema"], kept["tags"]) == ("rows", "", {"mlflow.data.context": "training"})
    assert said == "not kept of what was logged with MLflow: 1 data set"
    assert "0 files, 1 data set" in logged_text(record)
