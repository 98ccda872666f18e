"""Quick fit of a first model: the steps of a training, in confined processes of their own, on a sample of the rows."""

import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pilothouse.confinement import probe
from pilothouse.domain.confinement import confines, unheld
from pilothouse.domain.errors import PilothouseError
from pilothouse.domain.jobs.jobs import JobStatus, StepRequest, StepResult
from pilothouse.domain.models.evaluation import MetricValue
from pilothouse.domain.models.first_settings import QuickFit
from pilothouse.domain.models.model_file import spec_to_plain
from pilothouse.domain.models.model_spec import ModelSpec
from pilothouse.execution.launcher_client import Launcher
from pilothouse.execution.pipeline import run_pipeline

if TYPE_CHECKING:
    import pyarrow as pa

SOURCE = "sample.parquet"
"""Name of the sample, which the specification of a quick fit has as its source."""
MAXIMUM_ROWS = 100_000
_STEPS = ("snapshot", "fit", "evaluate")
_TIMEOUT_S = 600
_THREADS = 1
"""Threads that wait for each other by turning take a small fit from 0.05 s to 4 s on cores that others keep busy."""

Tell = Callable[[str], None]


class QuickFits:
    """Runs quick fits on one sample. The launcher of the steps' processes lives as long as the context."""

    def __init__(self, rows: "pa.Table") -> None:
        self._rows = rows
        self._opened = ExitStack()

    def __enter__(self) -> "QuickFits":
        import pyarrow.parquet as pq

        self._folder = Path(self._opened.enter_context(tempfile.TemporaryDirectory(prefix="pilothouse-")))
        self._launcher = self._opened.enter_context(
            Launcher(isolation="require" if confines(probe.offered()) else "warn")
        )
        pq.write_table(_thinned(self._rows), self._folder / SOURCE)
        return self

    def __exit__(self, *_: object) -> None:
        self._opened.close()

    def fit(self, spec: ModelSpec, tell: Tell) -> QuickFit:
        """Fit as ``spec`` says, whose source is the sample, and judge on its hold-out. A failure is in the result."""
        started = time.monotonic()
        if missing := unheld(probe.offered()):
            tell(f"the steps run unconfined: nothing here holds {', '.join(missing)}")
        work = Path(tempfile.mkdtemp(dir=self._folder))
        requests = [
            StepRequest(
                job=0,
                attempt=1,
                step=step,
                folder=str(work / step),
                spec=spec_to_plain(spec),
                inputs={"source": str(self._folder / SOURCE)} if step == "snapshot" else {},
                timeout_s=_TIMEOUT_S,
                threads=_THREADS,
                memory_mb=spec.training.memory_mb,
            )
            for step in _STEPS
        ]
        try:
            outcome = run_pipeline(
                self._launcher,
                "train",
                requests,
                cancel=threading.Event(),
                on_progress=lambda step, _, message: tell(f"{step}: {message}"),
            )
        except PilothouseError as error:
            return QuickFit(error=str(error))
        why = "" if outcome.status is JobStatus.SUCCEEDED else outcome.error
        return _result(outcome.steps, why, time.monotonic() - started)


def _result(steps: dict[str, StepResult], error: str, seconds: float) -> QuickFit:
    snapshot = steps["snapshot"].record if "snapshot" in steps and steps["snapshot"].ok else {}
    evaluate: dict[str, Any] = steps["evaluate"].record if "evaluate" in steps and not error else {}
    return QuickFit(
        metrics=tuple(MetricValue(**metric) for metric in evaluate.get("metrics", [])),
        training_rows=int(snapshot.get("training_rows", 0)),
        holdout_rows=int(snapshot.get("holdout_rows", 0)),
        duplicates=snapshot.get("duplicates", 0) / max(1, snapshot.get("rows", 0)),
        leakage=dict(snapshot.get("single_feature_leakage", {})),
        p95_ms=evaluate.get("latency_us", {}).get("p95", 0) / 1_000,
        seconds=seconds,
        error=error,
    )


def _thinned(table: "pa.Table") -> "pa.Table":
    """At most ``MAXIMUM_ROWS``, evenly spread."""
    import numpy as np
    import pyarrow as pa

    stride = -(-table.num_rows // MAXIMUM_ROWS)
    return table if stride == 1 else table.take(pa.array(np.arange(0, table.num_rows, stride)))
