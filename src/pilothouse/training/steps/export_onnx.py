"""``export_onnx`` step: writes a version in ONNX for other systems, and compares it with the version. Runs no user code.

Inputs: ``model``, ``schema``, ``holdout``, ``predictions`` (as they were stored). Outputs: ``onnx``. Record: ``numbers`` (what
goes in: ``float32`` or ``float64``), ``compared`` (how many rows differ, and by how much, by kind of rows), ``not_generated``
(why no generated rows were compared). Fails where the model does not answer in this environment as it did when it was
evaluated.
"""

from dataclasses import asdict

import numpy as np

from pilothouse.domain.jobs.jobs import StepRequest, StepResult
from pilothouse.inference.portable.packaging import chosen_rows, rows_compared
from pilothouse.inference.schema import InputSchema
from pilothouse.training.data.rows import read_rows
from pilothouse.training.models.onnx_export import (
    Differences,
    OnnxModel,
    differences,
    rows_with_missing,
    written,
)
from pilothouse.training.models.stored_answers import as_stored
from pilothouse.training.steps.common import Report, input_path, spec_of, step, write_output


@step
def run(request: StepRequest, report: Report) -> StepResult:
    """Hold the model against its stored answers, write it in ONNX, and compare."""
    schema = InputSchema.from_bytes(input_path(request, "schema").read_bytes())
    rows = read_rows(input_path(request, "holdout"), spec_of(request))
    predictor = as_stored(input_path(request, "model"), input_path(request, "predictions"), schema, rows)
    report(0.2, "writing ONNX", {})
    holdout = rows.columns(schema)
    generated, reason = rows_compared(predictor, holdout, seed=request.seed)
    kinds = {"hold-out": holdout, **({"generated": generated} if generated is not None else {})}
    parts = {
        f"{name}, {kind}": chosen_rows(columns, np.flatnonzero(chosen))
        for name, columns in kinds.items()
        for missing in [rows_with_missing(columns)]
        for kind, chosen in (("complete", ~missing), ("with missing values", missing))
    }
    properties = {"pilothouse.version": f"models:/{schema.model}/{request.options['version']}"}
    tried: list[tuple[OnnxModel, dict[str, Differences]]] = []
    for exported in written(predictor, properties):
        report(0.5, f"comparing {exported.numbers}", {})
        compared = {name: differences(predictor, exported, part) for name, part in parts.items() if part.rows}
        tried.append((exported, compared))
    exported, compared = min(tried, key=lambda one: _distance(one[1]))
    record = {
        "numbers": exported.numbers,
        "compared": [{"kind": name, **asdict(found)} for name, found in compared.items()],
        "not_generated": reason,
    }
    return StepResult(
        ok=True, outputs={"onnx": write_output(request, "model.onnx", exported.data)}, record=record
    )


def _distance(compared: dict[str, Differences]) -> tuple[int, float]:
    found = compared.values()
    return sum(one.labels + one.unanswered for one in found), max(one.largest for one in found)
