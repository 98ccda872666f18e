"""A replay of recorded rows beside scikit-learn scoring the same matrix, in turn, each in a process of its own.

The demo's model of flights is trained twice; ROWS flights (a million) are answered by the first version and stored with their
outcomes. Then, RUNS times (three): the export of the rows from telemetry, the replay's step, and scikit-learn with the very
models of both versions on a frame that is ready in memory. A step scores two versions, and is held against the time of both.
"""

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
from threadpoolctl import threadpool_limits

sys.path.insert(0, str(Path(__file__).parents[1]))

from pilothouse.composition import open_workspace
from pilothouse.demo import workspace as demo_workspace
from pilothouse.domain.formats.time_units import DAY_US, to_us
from pilothouse.domain.formats.wire import PredictionBatch, RequestTiming
from pilothouse.domain.identity.roles import Role
from pilothouse.domain.rollouts.plan_file import PLANS_FILE
from pilothouse.inference.predictor import Predictor
from pilothouse.inference.schema import InputSchema
from pilothouse.operations.catalogue import require_version
from pilothouse.operations.ingest import ingest
from pilothouse.operations.jobs import job_inputs, replay_rows, trainings
from pilothouse.operations.services import Services
from pilothouse.operations.workspace import apply_models, workspaces
from support import replayed

ROWS = int(os.environ.get("REPLAY_ROWS", "1000000"))
RUNS = int(os.environ.get("REPLAY_RUNS", "3"))
MODEL, TARGET, BATCH = "flight-delay", "ewr", 5_000
SAMPLE = Path(__file__).parents[2] / "sample_data" / "flights.parquet"
AS_OF = pd.Timestamp("2013-04-02", tz="UTC")
DAYS = 28


def run() -> None:
    with tempfile.TemporaryDirectory() as folder:
        import sklearn.ensemble  # noqa: F401 - only libraries that are loaded can be limited

        # one thread: those of OpenMP wait for each other by spinning, which takes minutes where others keep the cores busy
        with threadpool_limits(1):
            services = build(Path(folder) / "workspace")
            say("two versions are trained")
            flights = recorded(services)
            say(f"{ROWS:,} rows are recorded")
        measure(services, flights, Path(folder))
        services.close()


def say(text: str) -> None:
    """A line at once: what was measured is there too where the run is stopped."""
    print(text, flush=True)


def build(root: Path) -> Services:
    """A workspace with two versions of the demo's model."""
    now = pd.Timestamp("2014-01-01", tz="UTC").to_pydatetime()
    workspaces.initialise(root, "eve", demo=True, clock=lambda: now)
    services = open_workspace(root)
    services.now = lambda: now
    workspaces.grant_role(services, replayed.actor(services, "eve"), "ann", Role.DATA_SCIENTIST)
    folder = root / "models" / MODEL
    folder.mkdir(parents=True)
    demo = Path(demo_workspace.__file__).parent
    shutil.copyfile(demo / PLANS_FILE, root / PLANS_FILE)
    text = (demo / "models" / MODEL / "model.toml").read_text()
    (folder / "model.toml").write_text(text.replace("../../data/flights.parquet", str(SAMPLE)))
    apply_models.apply(services, replayed.actor(services, "eve"))
    for rate in (0.1, 0.15):
        options = trainings.TrainingOptions(
            as_of=AS_OF.to_pydatetime(), overrides={"training.parameters.learning_rate": rate}
        )
        trainings.start_training(services, replayed.actor(services, "ann"), MODEL, options)
        replayed.run_next(services)
    return services


def predictor_of(services: Services, number: int) -> Predictor:
    with services.registry.read() as connection:
        version = require_version(connection, f"{MODEL}/{number}")
    schema = InputSchema.from_bytes(services.artifacts.read(version.schema_digest))
    return Predictor(Path(job_inputs.model_path(services, version)).read_bytes(), schema)


def recorded(services: Services) -> pd.DataFrame:
    """Flights again and again over 28 days, answered by version 1 and stored."""
    flights = pq.read_table(SAMPLE).to_pandas()
    flights = flights[flights["scheduled_at"] >= AS_OF].reset_index(drop=True)
    flights = flights.iloc[np.resize(np.arange(len(flights)), ROWS)].reset_index(drop=True)
    predictor = predictor_of(services, 1)
    first = to_us(AS_OF.to_pydatetime())
    times = first + np.arange(ROWS, dtype=np.int64) * (DAYS * DAY_US) // ROWS
    numeric, texts = predictor.schema.numeric, predictor.schema.categorical
    for number, start in enumerate(range(0, ROWS, BATCH), start=1):
        rows = flights.iloc[start : start + BATCH]
        columns = {name: rows[name].to_numpy(np.float64) for name in numeric} | {
            name: rows[name].tolist() for name in texts
        }
        answer = predictor.predict(columns, len(rows))
        batch = PredictionBatch(
            "bench", number, TARGET, MODEL, 1, len(rows),
            times[start : start + BATCH].astype("<i8").tobytes(), answer.scores.astype("<f8").tobytes(),
            {name: columns[name].astype("<f8").tobytes() for name in numeric}, {name: columns[name] for name in texts},
            answer.labels, [RequestTiming(len(rows), 900, first, 500, 500)],
        )  # fmt: skip
        ingest.ingest_batch(services, batch)
    with (
        services.telemetry.transaction() as connection
    ):  # the outcomes as ``labels`` leaves them, without matching a million
        late = flights["late"].to_numpy("<u2")
        for batch_id, sequence, rows in connection.execute(
            "SELECT id, sequence, rows FROM batches"
        ).fetchall():
            part = late[(sequence - 1) * BATCH : (sequence - 1) * BATCH + rows]
            connection.execute("INSERT INTO outcomes VALUES (?, ?)", (batch_id, part.tobytes()))
    flights.to_parquet(services.paths.root / "matrix.parquet")
    return flights


def measure(services: Services, flights: pd.DataFrame, folder: Path) -> None:
    spans = to_us(AS_OF.to_pydatetime()), to_us(AS_OF.to_pydatetime()) + DAYS * DAY_US
    found: dict[str, list[float]] = {}
    for _ in range(RUNS):
        began = time.perf_counter()
        exported = replay_rows.export(
            services, folder, MODEL, {TARGET: "us-east"}, spans, most=None, seed=0, go_on=lambda _: True
        )
        note(found, "export", time.perf_counter() - began)
        assert exported.rows == len(flights)
        for name, values in child("step", request_of(services, folder, exported)).items():
            note(found, f"step {name}", values)
        for number in (1, 2):
            with services.registry.read() as connection:
                version = require_version(connection, f"{MODEL}/{number}")
            path = str(services.artifacts.path(version.model_digest))
            told = child("peer", {"model": path, "matrix": str(services.paths.root / "matrix.parquet")})
            for name, values in told.items():
                note(found, f"scikit-learn v{number} {name}", values)
        tell(found)


def tell(found: dict[str, list[float]]) -> None:
    """Medians of the runs so far."""
    median = {name: statistics.median(values) for name, values in found.items()}
    for name, value in median.items():
        unit = "MB" if "memory" in name else "" if "threads" in name else "s"
        say(f"{name:42} {value:9.2f} {unit}   of {', '.join(f'{v:.2f}' for v in found[name])}")
    whole = median["export"] + median["step seconds"]
    for what in ("frame", "encoded matrix"):
        both = sum(median[f"scikit-learn v{number} {what}"] for number in (1, 2))
        say(f"speed beside scikit-learn on the {what}, both versions: scoring {both / median['step scored']:.2f}, "
              f"step {both / median['step seconds']:.2f}, with export {both / whole:.2f}")  # fmt: skip


def note(found: dict[str, list[float]], name: str, value: float) -> None:
    found.setdefault(name, []).append(value)


def request_of(services: Services, folder: Path, exported: replay_rows.Exported) -> dict[str, Any]:
    inputs = {f"rows_{i}": str(path) for i, path in enumerate(exported.paths)}
    with services.registry.read() as connection:
        for side, number in (("against", 1), ("version", 2)):
            version = require_version(connection, f"{MODEL}/{number}")
            inputs[f"{side}_model"] = job_inputs.model_path(services, version)
            inputs[f"{side}_schema"] = job_inputs.artifact_path(services, version.schema_digest)
            inputs[f"{side}_holdout"] = job_inputs.artifact_path(services, version.predictions_digest)
        (plain,) = connection.execute("SELECT spec FROM model_specs ORDER BY id DESC LIMIT 1").fetchone()
    trained = to_us(AS_OF.to_pydatetime()) - DAY_US
    options = {"version": 2, "against": 1, "rows": exported.rows, "slices": ["origin"], "trained_until_us": [trained] * 2,
               "against_packages": {}}  # fmt: skip
    return {"spec": json.loads(plain), "inputs": inputs, "options": options, "folder": str(folder)}


def child(what: str, request: dict[str, Any]) -> dict[str, float]:
    done = subprocess.run(
        [sys.executable, __file__, what],
        input=json.dumps(request),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(done.stderr)
    told: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return told


def step(request: dict[str, Any]) -> dict[str, float]:
    from pilothouse.domain.jobs.jobs import StepRequest
    from pilothouse.training.steps import replay

    before = peak_mb()
    began = time.perf_counter()
    asked = StepRequest(
        1, 1, "replay", request["folder"], request["spec"], request["inputs"], request["options"]
    )
    result = replay.run(asked, lambda *_: None)
    took = time.perf_counter() - began
    assert result.ok, result.error
    found = result.record["found"]
    assert found["check"]["equal"] == found["check"]["rows"] == found["rows"]
    return {"seconds": took, "scored": found["scored_s"], "memory": peak_mb(), "memory before": before}


def peer(request: dict[str, Any]) -> dict[str, float]:
    """scikit-learn's own pipeline on a frame, and its estimator on the matrix that the pipeline makes of it."""
    from threadpoolctl import threadpool_info

    from pilothouse.inference.safe_format import load_model

    model = load_model(Path(request["model"]).read_bytes())
    columns = [name for _, _, names in model.steps[0][1].transformers_ for name in names]
    frame = pd.read_parquet(request["matrix"], columns=columns)
    texts = [name for name in columns if not pd.api.types.is_numeric_dtype(frame[name])]
    frame[texts] = frame[texts].astype(object)
    model.predict_proba(frame.iloc[:100])
    began = time.perf_counter()
    model.predict_proba(frame)
    whole = time.perf_counter() - began
    matrix = model.steps[0][1].transform(frame)
    began = time.perf_counter()
    model.steps[-1][1].predict_proba(matrix)
    threads = max((one["num_threads"] for one in threadpool_info() if one["user_api"] == "openmp"), default=1)
    return {
        "frame": whole,
        "encoded matrix": time.perf_counter() - began,
        "threads": threads,
        "memory": peak_mb(),
    }


def peak_mb() -> float:
    for line in Path("/proc/self/status").read_text("ascii").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    return float("nan")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print(json.dumps({"step": step, "peer": peer}[sys.argv[1]](json.load(sys.stdin))))
    else:
        run()
