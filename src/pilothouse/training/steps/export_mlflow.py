"""``export_mlflow`` step: how a version answers without Pilothouse, as MLflow would load it. Runs no user code.

Inputs: ``model``, ``schema``, ``holdout``, ``predictions`` (as they were stored). Record: ``trusted_types`` (those that its
skops file holds beyond skops's own), ``inputs`` (name and kind of each column), ``output`` (type of a prediction), ``compared``
(how the bare estimator's answers differ on the hold-out, complete rows and those with missing values apart). Fails where the
model does not answer in this environment as it did when it was evaluated.
"""

from dataclasses import asdict
from typing import Any

import numpy as np

from pilothouse.domain.jobs.jobs import StepRequest, StepResult
from pilothouse.domain.models.evaluation import ComparedRows
from pilothouse.inference.columns import InputColumns
from pilothouse.inference.encoding import frame
from pilothouse.inference.portable.packaging import chosen_rows
from pilothouse.inference.predictor import Predictor
from pilothouse.inference.safe_format import load_model, untrusted_types
from pilothouse.inference.schema import InputSchema
from pilothouse.training.data.rows import read_rows
from pilothouse.training.models.onnx_export import rows_with_missing
from pilothouse.training.models.stored_answers import as_stored
from pilothouse.training.steps.common import Report, input_path, spec_of, step


@step
def run(request: StepRequest, report: Report) -> StepResult:
    """Hold the model against its stored answers, then against its own estimator."""
    schema = InputSchema.from_bytes(input_path(request, "schema").read_bytes())
    rows = read_rows(input_path(request, "holdout"), spec_of(request))
    predictor = as_stored(input_path(request, "model"), input_path(request, "predictions"), schema, rows)
    data = input_path(request, "model").read_bytes()
    report(0.5, "comparing the bare estimator", {})
    estimator = load_model(data)
    columns = rows.columns(schema)
    missing = rows_with_missing(columns)
    compared = []
    for kind, chosen in (("complete", ~missing), ("with missing values", missing)):
        if chosen.any():
            part = chosen_rows(columns, np.flatnonzero(chosen))
            compared.append(asdict(_compared(f"hold-out, {kind}", predictor, estimator, part)))
    record = {
        "trusted_types": untrusted_types(data),
        "inputs": [[column.name, column.kind] for column in schema.columns],
        "output": _output(estimator, schema),
        "compared": compared,
    }
    return StepResult(ok=True, outputs={}, record=record)


def _compared(kind: str, predictor: Predictor, estimator: Any, columns: InputColumns) -> ComparedRows:
    ours = predictor.predict_columns(columns)
    X = frame(predictor.schema, columns)
    if ours.probabilities is None:
        theirs = np.asarray(estimator.predict(X), dtype=np.float64)
        return ComparedRows(kind, columns.rows, 0, int(np.isnan(theirs).sum()), _largest(theirs, ours.scores))
    probabilities = np.asarray(estimator.predict_proba(X), dtype=np.float64)
    classes = [str(value) for value in estimator.classes_]
    mine = ours.probabilities[:, [predictor.schema.classes.index(name) for name in classes]]
    labels = [str(value) for value in estimator.predict(X)]
    differing = sum(a != b for a, b in zip(labels, ours.labels, strict=True))
    return ComparedRows(kind, columns.rows, differing, 0, _largest(probabilities, mine))


def _largest(one: Any, other: Any) -> float:
    return float(np.nanmax(np.abs(one - other), initial=0.0))


def _output(estimator: Any, schema: InputSchema) -> str:
    if schema.task == "regression":
        return "float64"
    kind = np.asarray(estimator.classes_).dtype
    return kind.name if kind.kind in "iufb" else "str"
