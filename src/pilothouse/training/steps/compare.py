"""``compare`` step: is the model that was just trained again the recorded one?

Identical means: the same rows, parameters and inputs, and on every row of hold-out and training the same predictions, bit
for bit. The files themselves always differ (they hold times and memory addresses).

Inputs: ``train``, ``holdout``, ``model``, ``schema`` (trained again), ``recorded_model``, ``recorded_schema``,
``recorded_predictions``. Options: ``recorded`` {parameters, packages, python, platform, cpu, train_digest, holdout_digest;
what is absent is not compared} and ``retrained`` (the fit step's record, of which the parameters count). Record:
``identical``, ``differences``, ``environment`` (differences of packages, Python, platform and the processor's features, which
alone do not make a model another).
"""

from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from pilothouse.domain.jobs.jobs import StepRequest, StepResult
from pilothouse.inference.schema import InputSchema
from pilothouse.tables.cells import few_types
from pilothouse.tables.digests import content_digest
from pilothouse.training.data.rows import read_rows
from pilothouse.training.environment import environment
from pilothouse.training.models.scoring import Scored, load_predictor, score, write_predictions
from pilothouse.training.steps.common import Report, input_path, output_path, spec_of, step


@step
def run(request: StepRequest, report: Report) -> StepResult:
    """Compare data, parameters, inputs and predictions, and record each difference."""
    spec = spec_of(request)
    recorded: dict[str, Any] = request.options.get("recorded") or {}
    retrained: dict[str, Any] = request.options.get("retrained") or {}
    differences = [
        *_digests(request, recorded),
        *_values("parameter", recorded.get("parameters"), retrained.get("parameters")),
    ]
    same_schema = _schema(request, "schema") == _schema(request, "recorded_schema")
    if not same_schema:
        differences.append("the input schema (columns, their kinds, or classes) differs")
    # with the recorded schema, since an earlier release's makes a version answer as it did then
    again = load_predictor(
        input_path(request, "model"), input_path(request, "recorded_schema" if same_schema else "schema")
    )
    before = load_predictor(input_path(request, "recorded_model"), input_path(request, "recorded_schema"))
    for name in ("holdout", "train"):
        report(0.3, f"predicting the {name} rows", {})
        rows = read_rows(input_path(request, name), spec)
        new, old = score(again, rows), score(before, rows)
        differences += _answers(f"predictions on the {name} rows", old.scores, new.scores, old, new)
        if name == "holdout":
            stored = pq.read_table(input_path(request, "recorded_predictions"))
            kept = stored.column("score").to_numpy()
            differences += _answers("stored predictions on the holdout rows", kept, new.scores)
            predictions = output_path(request, "predictions.parquet")
            write_predictions(predictions, new)
    # this process runs no code of the user, which could tell of another environment
    found = _environment(recorded, environment())
    identical = not differences
    record = {
        "identical": identical,
        "differences": differences if identical else differences + found,
        "environment": found,
    }
    return StepResult(ok=True, outputs={"predictions": str(predictions)}, record=record)


def _schema(request: StepRequest, name: str) -> InputSchema:
    """Schema without the words for missing, which earlier releases did not record."""
    return replace(InputSchema.from_bytes(input_path(request, name).read_bytes()), missing=())


def _digests(request: StepRequest, recorded: dict[str, Any]) -> list[str]:
    differences = []
    for name in ("train", "holdout"):
        expected, path = recorded.get(f"{name}_digest"), input_path(request, name)
        if expected and expected != (digest := content_digest(few_types(pq.read_table(path)))):
            differences.append(
                f"the {name} rows differ: sha256 {expected[:12]}… recorded, {digest[:12]}… now"
            )
    return differences


def _values(name: str, old: dict[str, Any] | None, new: dict[str, Any] | None) -> list[str]:
    if old is None or new is None:
        return []
    return [
        f"{name} {key}: {old.get(key, 'absent')} recorded, {new.get(key, 'absent')} now"
        for key in sorted(old.keys() | new.keys())
        if old.get(key) != new.get(key)
    ]


def _answers(
    name: str, old: Any, new: Any, old_rows: Scored | None = None, new_rows: Scored | None = None
) -> list[str]:
    if len(old) != len(new):
        return [f"{name}: {len(old)} recorded, {len(new)} now"]
    # as bits: NaN equals itself, and 0.0 differs from -0.0
    unequal = old.view(np.int64) != new.view(np.int64)
    if unequal.any():
        largest = float(np.abs(old - new).max())
        return [f"{name}: {int(unequal.sum())} of {len(old)} differ, by {largest:.3g} at most"]
    if old_rows is not None and new_rows is not None and not np.array_equal(old_rows.labels, new_rows.labels):
        return [f"{name}: the labels differ"]
    return []


def _environment(recorded: dict[str, Any], now: dict[str, Any]) -> list[str]:
    features = "cpu" in recorded and "cpu" in now  # versions of earlier releases have none on record
    both = [
        {name: facts[name] for name in ("python", "platform") if name in facts}
        | (facts.get("packages") or {})
        | ({f"processor {name}": "present" for name in facts["cpu"]} if features else {})
        for facts in (recorded, now)
    ]
    return _values("environment", *both) if all(both) else []
