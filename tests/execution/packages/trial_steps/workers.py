"""Keep joblib's worker processes busy."""

import os
import time
from pathlib import Path

import joblib

from pilothouse.domain.jobs.jobs import StepResult


def busy(folder, number):
    (Path(folder) / f"worker-{os.getpid()}").touch()
    time.sleep(60)


def run(request, report):
    report(0.1, "working", {})
    joblib.Parallel(n_jobs=3)(joblib.delayed(busy)(request.folder, number) for number in range(3))
    return StepResult(ok=True)
