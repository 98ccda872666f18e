"""Import of an MLflow registry beside mlflow-export-import, on the same versions, one after the other, in one run.

``bench_mlflow_import.py MLFLOW_PYTHON MOVER_BIN [VERSIONS]``: an environment with MLflow, the folder ``bin`` of one with
mlflow-export-import 1.2.0 and tabulate. Both take models, versions, aliases, tags, runs with curves, and files of the runs from
one SQLite store; the mover writes them to a folder and from there into another store, since that is how it moves them.
"""

import json
import os
import sqlite3
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]
WRITER = ROOT / "tests" / "ecosystem" / "mlflow" / "write_many.py"


def main() -> None:
    python, mover = Path(sys.argv[1]).absolute(), Path(sys.argv[2]).absolute()
    versions = int(sys.argv[3]) if len(sys.argv) > 3 else 1_000
    pilothouse = Path(sys.executable).parent / "pilothouse"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        store = Path(os.environ["MLFLOW_STORE"]) if "MLFLOW_STORE" in os.environ else folder / "store"
        if not store.exists():
            subprocess.run([python, WRITER, store, str(versions)], check=True, stdout=subprocess.DEVNULL)
        subprocess.run([pilothouse, "init", folder / "workspace"], check=True, capture_output=True)
        command = [
            pilothouse,
            "-w",
            folder / "workspace",
            "--json",
            "import",
            "mlflow",
            store / "mlflow.db",
            "--files",
            "all",
        ]
        ours, counts = timed(command)
        taken = json.loads(counts)
        again, _ = timed(command)
        print(
            f"pilothouse import mlflow: {taken['versions']:,} versions, {taken['files']:,} files: {ours:.1f} s"
        )
        print(f"the same again: {again:.1f} s")
        source = {
            **os.environ,
            "MLFLOW_TRACKING_URI": f"sqlite:///{store / 'mlflow.db'}",
            "PYTHONWARNINGS": "ignore",
        }
        target = {**source, "MLFLOW_TRACKING_URI": f"sqlite:///{folder / 'target.db'}"}
        out, _ = timed([mover / "export-models", "--models", "all", "--output-dir", folder / "moved"], source)
        print(f"mlflow-export-import, export: {out:.1f} s", flush=True)
        into, _ = timed([mover / "import-models", "--input-dir", folder / "moved"], target, folder)
        moved = (
            sqlite3.connect(folder / "target.db").execute("SELECT count(*) FROM model_versions").fetchone()[0]
        )
        print(f"mlflow-export-import, import: {into:.1f} s, {moved:,} versions arrived")
        print(f"ratio to its export alone: {out / ours:.1f}; to both: {(out + into) / ours:.1f}")


def timed(
    command: list[object], environment: dict[str, str] | None = None, folder: Path | None = None
) -> tuple[float, str]:
    """Seconds of a command, and what it printed."""
    started = time.perf_counter()
    done = subprocess.run(
        [str(one) for one in command], env=environment, cwd=folder, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout[-1_000:] + done.stderr[-2_000:]
    return time.perf_counter() - started, done.stdout


if __name__ == "__main__":
    main()
