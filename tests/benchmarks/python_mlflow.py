"""MLflow's client on its own SQLite store, in an environment of its own: a line in, a time out. Started by ``bench_python``."""

import logging
import sys
import time
import warnings
from pathlib import Path

warnings.simplefilter("ignore")
logging.disable(logging.CRITICAL)
began = time.perf_counter()
import mlflow  # noqa: E402
from mlflow.entities import Metric, Param  # noqa: E402

STORE = f"sqlite:///{Path(sys.argv[1]) / 'mlflow.db'}"
mlflow.set_tracking_uri(STORE)
CLIENT = mlflow.MlflowClient(tracking_uri=STORE)
EXPERIMENT = CLIENT.create_experiment("delay", artifact_location=str(Path(sys.argv[1]) / "artifacts"))
mlflow.set_experiment("delay")
OPEN: list[str] = []


def whole(parameters: int, metrics: int) -> None:
    """A run by the client, with one batch for all that is logged: as few calls as there are."""
    run = CLIENT.create_run(EXPERIMENT)
    now = int(time.time() * 1000)
    CLIENT.log_batch(
        run.info.run_id,
        metrics=[Metric(f"m{i}", i / 3, now, 1) for i in range(metrics)],
        params=[Param(f"p{i}", str(i)) for i in range(parameters)],
    )
    CLIENT.set_terminated(run.info.run_id)


def fluent(parameters: int, metrics: int) -> None:
    """A run as notebooks write it."""
    with mlflow.start_run():
        mlflow.log_params({f"p{i}": i for i in range(parameters)})
        mlflow.log_metrics({f"m{i}": i / 3 for i in range(metrics)}, step=1)


def one(step: int, _: int) -> None:
    """One value of a metric in a run that is open."""
    if not OPEN:
        OPEN.append(CLIENT.create_run(EXPERIMENT).info.run_id)
    CLIENT.log_metric(OPEN[0], "loss", 1 / (step + 1), step=step)


print(time.perf_counter() - began, mlflow.__version__, flush=True)
for line in sys.stdin:
    name, first, second = line.split()
    began = time.perf_counter()
    {"whole": whole, "fluent": fluent, "one": one}[name](int(first), int(second))
    print(time.perf_counter() - began, flush=True)
