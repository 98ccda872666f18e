"""``gate`` step: the user's own gate function, in a process of its own, after the metrics are written.

``check(holdout: DataFrame, predictions: DataFrame, metrics: dict) -> (passed: bool, reason: str)``: the hold-out with its
outcomes, the predictions row by row (event_time, truth, score, label, probability_…), and the metrics by name and slice:
``{"auc": {"value", "low", "high", "rows"}, "origin=JFK": {"auc": …}}``.

Inputs: ``holdout``, ``predictions``, ``metrics`` (JSON), ``model_folder``. Record: ``gates`` (one GateResult).
"""

import json
from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd

from pilothouse.domain.errors import InvalidInputError
from pilothouse.domain.jobs.jobs import StepRequest, StepResult
from pilothouse.training.gates import function_gate
from pilothouse.training.steps.common import Report, input_path, spec_of, step, write_output
from pilothouse.training.user_code import call, load_function


@step
def run(request: StepRequest, report: Report) -> StepResult:
    """Call the function once and record its result."""
    spec = spec_of(request)
    name = spec.gates.function
    if name is None:
        raise InvalidInputError("gates.function: missing; expected FILE.py:FUNCTION")
    folder = input_path(request, "model_folder")
    function = load_function(folder, name)
    report(0.3, f"asking {name}", {})
    holdout, predictions = (pd.read_parquet(input_path(request, key)) for key in ("holdout", "predictions"))
    metrics = metrics_by_name(json.loads(input_path(request, "metrics").read_text()))
    answer = call(folder, function, holdout, predictions, metrics)
    match answer:
        case (bool() | np.bool_() as passed, str() as reason):  # a figure, or NaN, would count as true
            result = asdict(function_gate(name, bool(passed), reason))
        case _:
            shown = f"{answer!r:.80}"
            raise InvalidInputError(
                f"{name} returned {shown}; expected (passed, reason), True or False and text"
            )
    path = write_output(request, "gate.json", json.dumps(result).encode())
    return StepResult(ok=True, outputs={"gate": path}, record={"gates": [result]})


def metrics_by_name(plain: list[dict[str, Any]]) -> dict[str, Any]:
    """Metrics as ``{"auc": {…}}`` for all rows and ``{"origin=JFK": {"auc": {…}}}`` for slices."""
    by_name: dict[str, Any] = {}
    for metric in plain:
        metrics = by_name.setdefault(metric["slice"], {}) if metric["slice"] else by_name
        metrics[metric["metric"]] = {key: metric[key] for key in ("value", "low", "high", "rows")}
    return by_name
