"""A hub and a serving process for clients of other environments: prints its ports as JSON, and ends when its input does.

Three models: ``flight-delay`` (categories and numbers), ``bike-demand`` (a regression of the same columns) and ``plain``
(numbers alone). ``--one`` serves the first alone, ``--documented`` the demo's in its place. ``tests`` and ``tests/serving``
have to be on the path.
"""

import json
import sys
import tomllib
from pathlib import Path

import numpy as np
from serving_kit import ModelFile, TestHub, short_folder, start_serving, train

import pilothouse
from pilothouse.inference.columns import InputColumns
from pilothouse.inference.encoding import frame
from pilothouse.inference.safe_format import dump_model
from pilothouse.inference.schema import InputColumn, InputSchema
from pilothouse.training.models.estimators import build_pipeline


def numbers_alone() -> ModelFile:
    """A model of two classes whose features are four numbers."""
    names = ("distance", "hour", "seats", "temp")
    schema = InputSchema(
        "plain", "binary", ("no", "yes"), "at", tuple(InputColumn(n, "number") for n in names)
    )
    rng = np.random.default_rng(3)
    columns = InputColumns(400, {name: rng.normal(size=400) for name in names}, {})
    pipeline = build_pipeline(
        "sklearn.ensemble.HistGradientBoostingClassifier", {"max_iter": 8}, schema, seed=3, threads=1
    )
    pipeline.fit(frame(schema, columns), np.where(columns.numeric["temp"] > 0, "yes", "no"))
    return ModelFile("plain", 2, dump_model(pipeline), schema.to_bytes())


def documented() -> ModelFile:
    """A model of the demo's columns, as the examples in docs/serving.md ask it."""
    text = (Path(pilothouse.__file__).parent / "demo" / "models" / "flight-delay" / "model.toml").read_text(
        "utf-8"
    )
    data = tomllib.loads(text)["data"]
    kinds = {name: "category" if name in data["categoricals"] else "number" for name in data["features"]}
    columns = tuple(InputColumn(name, kind) for name, kind in kinds.items())
    schema = InputSchema("flight-delay", "binary", ("0", "1"), data["timestamp"], columns)
    rng = np.random.default_rng(3)
    made = InputColumns(
        400,
        {name: rng.normal(size=400) for name in schema.numeric},
        {name: [str(value) for value in rng.choice(["JFK", "LGA"], 400)] for name in schema.categorical},
    )
    pipeline = build_pipeline(
        "sklearn.ensemble.HistGradientBoostingClassifier", {"max_iter": 8}, schema, seed=3, threads=1
    )
    pipeline.fit(frame(schema, made), (made.numeric["temp"] > 0).astype(int))
    return ModelFile("flight-delay", 6, dump_model(pipeline), schema.to_bytes())


def main() -> None:
    """Serve until the input ends; then say how many predictions the hub has."""
    with short_folder() as folder:
        hub = TestHub(folder / "hub.sock")
        models = [documented() if "--documented" in sys.argv else train("flight-delay", 1, seed=1)]
        if len(sys.argv) == 1:
            models += [train("bike-demand", 4, "regression"), numbers_alone()]
        hub.deploy(*models)
        hub.start()
        process = start_serving(folder / "ewr", hub, "--grpc-port", "0")
        try:
            process.wait_for_port()
            process.wait_until_ready()
            document = json.loads((process.folder / "process.json").read_text())
            print(json.dumps({"port": process.port, "grpc_port": document["grpc_port"]}), flush=True)
            sys.stdin.read()
            code = process.terminate()
            log = process.log.read_text()
            faults = [line for line in log.splitlines() if "Traceback" in line or " ERROR " in line]
            rows = sum(batch.rows for batch in hub.batches)
            print(json.dumps({"rows": rows, "code": code, "faults": faults}), flush=True)
        finally:
            if process.process.poll() is None:
                process.kill()
            hub.stop()


if __name__ == "__main__":
    main()
