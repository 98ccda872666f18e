"""A small training as a real one: rows read, a forest fitted on one thread, its predictions written."""

import io
from pathlib import Path

import numpy as np
from sklearn.ensemble import RandomForestClassifier

from pilothouse.domain.jobs.jobs import StepResult


def fitted(rows: bytes, seed: int, trees: int) -> bytes:
    """Probabilities that a forest gives the rows that it was fitted on; the last column is the label."""
    table = np.load(io.BytesIO(rows))
    model = RandomForestClassifier(trees, random_state=seed, n_jobs=1).fit(table[:, :-1], table[:, -1])
    return model.predict_proba(table[:, :-1]).astype("<f8").tobytes()


def run(request, report):
    made = fitted(Path(request.inputs["rows"]).read_bytes(), request.job, request.options["trees"])
    report(1.0, "fitted", {})
    Path("model").write_bytes(made)
    return StepResult(ok=True, outputs={"model": "model"}, record={"bytes": len(made)})
