"""What a user's training code logs with MLflow, where that is installed: kept in the step's own folder and read afterwards.

``mlflow.log_param``, ``log_metric``, ``log_artifact``, autologging and ``mlflow.sklearn.log_model`` write into a SQLite store
there: no server, no network. Nothing is imported for it, and without MLflow nothing changes.
"""

import importlib.util
import io
import json
import os
import sys
import zipfile
from pathlib import Path
from typing import Any

from pilothouse.domain.errors import PilothouseError
from pilothouse.domain.formats.safe_text import one_line
from pilothouse.domain.imported.logged import left_out_text
from pilothouse.domain.imported.names import stored_number, stored_text
from pilothouse.training.data.sqlite_source import read_query

_STORE = "mlflow.db"
_FILES = "mlruns"
MOST_POINTS = 100_000
MOST_ROWS = 10_000
MOST_RUNS = 1_000
MOST_DATA_SETS = 100
LONGEST_DATA_SET = 100_000
"""Characters of a data set's source, schema and profile together."""
LARGEST_TOGETHER = 256 << 20
_PICKLES = (".pkl", ".pickle", ".joblib")
_MOST_FILES = 1_000


def begin(folder: Path) -> None:
    """Point MLflow's client at a store in the step's folder, by its environment variables, where it is installed."""
    if importlib.util.find_spec("mlflow") is None:
        return
    address = f"sqlite:///{folder / _STORE}"
    os.environ.update(
        {
            "MLFLOW_TRACKING_URI": address,
            "MLFLOW_REGISTRY_URI": address,
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "DO_NOT_TRACK": "true",
            "GIT_PYTHON_REFRESH": "quiet",
        }
    )


def end(folder: Path) -> tuple[bytes | None, bytes | None, str]:
    """What was logged, as JSON, and the logged files as a ZIP archive, None where nothing was; and what of it is not kept, in a
    sentence, empty where all is.

    A store that cannot be read takes nothing away from the training: the record says why.
    """
    path = folder / _STORE
    if not path.is_file():
        return None, None, ""
    try:
        kept, left_out = _runs(path)
        record: dict[str, Any] = {"runs": kept}
    except (
        PilothouseError,
        ValueError,
        TypeError,
    ) as error:  # the user's code may have written the store itself
        record, left_out = {"runs": [], "fault": one_line(str(error))}, {}
        print(f"what was logged with MLflow is not recorded: {error}", file=sys.stderr)  # noqa: T201 - into the step's log
    archive, record["files"], unnamed = _packed(folder / _FILES)
    left_out |= {"files": unnamed + sum(bool(one["left_out"]) for one in record["files"])}
    record["left_out"] = {what: number for what, number in left_out.items() if number}
    return json.dumps(record, sort_keys=True).encode(), archive, left_out_text(record)


def _runs(path: Path) -> tuple[list[dict[str, Any]], dict[str, int]]:
    """Runs with what they logged, and the numbers of rows beyond the bounds."""
    left_out = {
        what: max(0, _rows(path, f"SELECT count(*) AS n FROM {table}", 1)[0]["n"] - most)  # noqa: S608 - ours
        for what, table, most in (
            ("runs", "runs", MOST_RUNS),
            ("parameters", "params", MOST_ROWS),
            ("tags", "tags", MOST_ROWS),
            ("points", "metrics", MOST_POINTS),
        )
    }
    runs = {
        row["run_uuid"]: {
            "run": row["run_uuid"],
            "name": stored_text(row["name"]),
            "status": stored_text(row["status"]),
            "started_ms": row["start_time"],
            "ended_ms": row["end_time"],
            "params": {},
            "tags": {},
            "metrics": {},
            "data_sets": [],
        }
        for row in _rows(
            path,
            "SELECT run_uuid, name, status, start_time, end_time FROM runs ORDER BY start_time",
            MOST_RUNS,
        )
    }
    for table in ("params", "tags"):
        for row in _rows(path, f"SELECT run_uuid, key, value FROM {table} ORDER BY run_uuid, key", MOST_ROWS):  # noqa: S608 - ours
            if row["run_uuid"] in runs:
                runs[row["run_uuid"]][table][stored_text(row["key"])] = stored_text(row["value"])
    points = "SELECT run_uuid, key, step, timestamp, value, is_nan FROM metrics ORDER BY run_uuid, key, step, timestamp"
    for row in _rows(path, points, MOST_POINTS):
        value = float("nan") if row["is_nan"] else float(row["value"])
        if row["run_uuid"] in runs:
            of_run = runs[row["run_uuid"]]["metrics"]
            of_run.setdefault(stored_text(row["key"]), []).append(
                [row["step"], row["timestamp"], stored_number(value)]
            )
    left_out["data sets"] = _add_data_sets(path, runs)
    return list(runs.values()), left_out


def _add_data_sets(path: Path, runs: dict[str, dict[str, Any]]) -> int:
    """Add to each run what it says of the data that it read; returns how many data sets are beyond the bounds."""
    tables = ("datasets", "inputs", "input_tags")
    named = _rows(path, "SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name", MOST_ROWS)
    if not {row["name"] for row in named}.issuperset(tables):
        return 0
    tags: dict[str, dict[str, str]] = {}
    for row in _rows(
        path, "SELECT input_uuid, name, value FROM input_tags ORDER BY input_uuid, name", MOST_ROWS
    ):
        tags.setdefault(row["input_uuid"], {})[stored_text(row["name"])] = stored_text(row["value"])
    found = _rows(
        path,
        "SELECT i.destination_id AS run, i.input_uuid AS input, d.name, d.digest, d.dataset_source_type AS source_type, "
        "d.dataset_source AS source, d.dataset_schema AS schema, d.dataset_profile AS profile "
        "FROM inputs i JOIN datasets d ON d.dataset_uuid = i.source_id "
        "WHERE i.source_type = 'DATASET' AND i.destination_type = 'RUN' ORDER BY 1, 3, 4, 2",
        MOST_ROWS,
    )
    kept = 0
    for row in found:
        told = {
            key: stored_text(row[key])
            for key in ("name", "digest", "source_type", "source", "schema", "profile")
        }
        if row["run"] in runs and kept < MOST_DATA_SETS and sum(map(len, told.values())) <= LONGEST_DATA_SET:
            runs[row["run"]]["data_sets"].append({**told, "tags": tags.get(row["input"], {})})
            kept += 1
    return len(found) - kept


def _rows(path: Path, query: str, most: int) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = read_query(path, f"{query} LIMIT {most}").to_pylist()
    return found


def _packed(folder: Path) -> tuple[bytes | None, list[dict[str, Any]], int]:
    """Logged files as a ZIP archive, the first of them by name, with why one was left out, and the number of the others."""
    found = [path for path in sorted(folder.rglob("*")) if path.is_file() and not path.is_symlink()]
    named: list[dict[str, Any]] = []
    packed, size = io.BytesIO(), 0
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in found[:_MOST_FILES]:
            length = path.stat().st_size
            left_out = ""
            if path.name.lower().endswith(_PICKLES):
                left_out = "a pickle, which is never loaded"
            elif size + length > LARGEST_TOGETHER:
                left_out = f"more than {LARGEST_TOGETHER:,} bytes together"
            else:
                size += length
                entry = zipfile.ZipInfo(path.relative_to(folder).as_posix())
                archive.writestr(entry, path.read_bytes(), zipfile.ZIP_DEFLATED)
            named.append(
                {
                    "path": stored_text(path.relative_to(folder).as_posix()),
                    "size": length,
                    "left_out": left_out,
                }
            )
    return (packed.getvalue() if size else None), named, max(0, len(found) - _MOST_FILES)
