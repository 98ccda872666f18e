"""Hand the source on, cut in two."""

from pathlib import Path

from pilothouse.domain.jobs.jobs import StepResult


def run(request, report):
    rows = Path(request.inputs["source"]).read_text().split()
    report(0.5, "half", {})
    Path("train.txt").write_text(" ".join(rows[:-1]))
    Path("holdout.txt").write_text(rows[-1])
    outputs = {"train": "train.txt", "holdout": "holdout.txt"}
    return StepResult(ok=True, outputs=outputs, record={"source_digest": "d1", "gates": [{"gate": "rows"}]})
