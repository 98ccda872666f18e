"""Say what came in."""

from pathlib import Path

from pilothouse.domain.jobs.jobs import StepResult


def run(request, report):
    Path("predictions").write_text("p")
    record = {"metrics": [{"metric": "auc"}], "inputs": sorted(request.inputs), "options": request.options}
    return StepResult(ok=True, outputs={"predictions": "predictions"}, record=record)
