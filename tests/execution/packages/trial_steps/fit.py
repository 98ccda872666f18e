"""Fit, or fail as the options say; the hold-out must not be reachable."""

from pathlib import Path

from pilothouse.domain.jobs.jobs import StepResult


def run(request, report):
    if "error" in request.options:
        raise ValueError(request.options["error"])
    train = Path(request.inputs["train"])
    try:
        seen = (train.parent / "holdout.txt").read_text()
    except OSError as error:
        seen = type(error).__name__
    Path("model").write_text(train.read_text())
    Path("schema").write_text("schema")
    return StepResult(ok=True, outputs={"model": "model", "schema": "schema"}, record={"holdout": seen})
