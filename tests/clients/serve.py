"""A hub and a serving process for clients of other environments: prints its port as JSON, and ends when its input does.

Three models: ``flight-delay`` (categories and numbers), ``bike-demand`` (a regression of the same columns) and ``plain``
(numbers alone). ``--one`` serves the first alone. ``tests`` and ``tests/serving`` have to be on the path.
"""

import json
import sys

import numpy as np
from serving_kit import ModelFile, TestHub, short_folder, start_serving, train

from pilothouse.inference.columns import InputColumns
from pilothouse.inference.encoding import frame
from pilothouse.inference.safe_format import dump_model
from pilothouse.inference.schema import InputColumn, InputSchema
from pilothouse.training.estimators import build_pipeline


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


def main() -> None:
    """Serve until the input ends; then say how many predictions the hub has."""
    with short_folder() as folder:
        hub = TestHub(folder / "hub.sock")
        models = [train("flight-delay", 1, seed=1)]
        if "--one" not in sys.argv:
            models += [train("bike-demand", 4, "regression"), numbers_alone()]
        hub.deploy(*models)
        hub.start()
        process = start_serving(folder / "ewr", hub)
        try:
            process.wait_for_port()
            process.wait_until_ready()
            print(json.dumps({"port": process.port}), flush=True)
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
