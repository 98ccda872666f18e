"""Makes a store of many versions of one of few: ``multiply_store.py FOLDER TIMES``. MLflow's client takes long for 10,000.

Each run with all its rows, and each version, is copied under other ids; files are those of the first ones. All runs are made to
have ended a month ago.
"""

import sqlite3
import sys
from pathlib import Path

MONTH_MS = 30 * 86_400_000
OF_RUNS = ("runs", "metrics", "latest_metrics", "params", "tags")


def main() -> None:
    store, times = Path(sys.argv[1]) / "mlflow.db", int(sys.argv[2])
    connection = sqlite3.connect(store)
    connection.execute("PRAGMA foreign_keys = off")
    (step,) = connection.execute("SELECT max(version) FROM model_versions").fetchone()
    for copy in range(1, times):
        for table in OF_RUNS:
            _copy(
                connection,
                table,
                {"run_uuid": f"substr(run_uuid, 1, 28) || '{copy:04d}'"},
                "substr(run_uuid, 29) GLOB '*'",
            )
        numbers = {"version": f"version + {step * copy}"}
        of_run = {"run_id": f"substr(run_id, 1, 28) || '{copy:04d}'"}
        _copy(connection, "model_versions", {**numbers, **of_run}, f"version <= {step}")
        _copy(connection, "model_version_tags", numbers, f"version <= {step}")
    connection.execute(
        f"UPDATE runs SET start_time = start_time - {MONTH_MS}, end_time = end_time - {MONTH_MS}"
    )
    connection.commit()
    print(connection.execute("SELECT count(*) FROM model_versions").fetchone()[0], "versions")


def _copy(connection: sqlite3.Connection, table: str, changed: dict[str, str], which: str) -> None:
    names = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
    values = ", ".join(changed.get(name, f'"{name}"') for name in names)
    first = f"rowid IN (SELECT rowid FROM {table} WHERE {which})"
    if "run_uuid" in names:
        connection.execute(
            f"CREATE TEMP TABLE IF NOT EXISTS first_{table} AS SELECT rowid AS id FROM {table}"
        )
        first = f"rowid IN (SELECT id FROM first_{table})"
    quoted = ", ".join(f'"{name}"' for name in names)
    connection.execute(f"INSERT INTO {table} ({quoted}) SELECT {values} FROM {table} WHERE {first}")


if __name__ == "__main__":
    main()
