"""Say what came in."""

import json
from pathlib import Path

from pilothouse.domain.jobs.jobs import StepResult


def run(request, report):
    metrics = json.loads(Path(request.inputs["metrics"]).read_text())
    return StepResult(ok=True, record={"metrics": metrics, "inputs": sorted(request.inputs)})
