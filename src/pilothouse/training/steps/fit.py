"""``fit`` step: train on the training rows; the only step beside ``trial`` that runs the user's training code. It never
sees the hold-out.

Inputs: ``train`` (parquet), ``model_folder``, ``adopted`` (a model file that takes the place of the fit). Options:
``searched``, the result of a search by jobs of its own ({parameters, trials}); without it a search that the spec asks for
runs here; ``changed_us``, the moment of a change since which rows are of a new world, and ``older_rows``, which of those
before it are trained on, where that is on record (``recency``). Outputs: ``model`` (a skops file), ``schema`` (InputSchema),
``trials`` (JSON, where a search ran), ``mlflow`` and ``mlflow_files`` (what the user's code logged there, JSON and ZIP).
Record: the parameters used, the trials, the environment.
"""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from pilothouse.domain.errors import InvalidInputError
from pilothouse.domain.formats.safe_text import one_line
from pilothouse.domain.jobs.jobs import StepRequest, StepResult
from pilothouse.domain.models.model_spec import ModelSpec
from pilothouse.inference.predictor import Predictor
from pilothouse.inference.safe_format import dump_model
from pilothouse.inference.schema import InputSchema
from pilothouse.training import tracking
from pilothouse.training.data.rows import read_rows, schema_of, training_frame
from pilothouse.training.data.times import Micros
from pilothouse.training.environment import environment
from pilothouse.training.models.estimators import plain_parameters
from pilothouse.training.models.fitting import Fit, Trial, fitter, search, takes_weights
from pilothouse.training.models.recency import FitRows, OlderRows, choose_older_rows, rows_of
from pilothouse.training.steps.common import Report, input_path, spec_of, step, write_output

_TRIED = 100
"""Rows that an adopted model answers before it is taken."""


@step
def run(request: StepRequest, report: Report) -> StepResult:
    """Fit the model, write it in the safe format, and read it back once."""
    spec = spec_of(request)
    rows = read_rows(input_path(request, "train"), spec)
    schema = schema_of(rows, spec)
    X, y = training_frame(rows, schema, spec)
    if "adopted" in request.inputs:
        return _adopted(request, schema, X)
    folder = Path(request.inputs.get("model_folder", request.folder))
    if spec.training.function:
        tracking.begin(Path(request.folder))
    fit = fitter(spec, schema, folder, request.seed, request.threads)
    report(0.1, f"fitting {spec.training.estimator or spec.training.function} on {rows.count} rows", {})
    searched = request.options.get("searched")
    trials = [] if searched else _trials(spec, fit, X, y, request.seed, report)
    chosen = searched["parameters"] if searched else trials[0].parameters if trials else {}
    parameters = {**spec.training.parameters, **chosen}
    older = _older_rows(
        request, spec, (X, y), rows.times, lambda X, y, weights=None: fit(X, y, parameters, weights), report
    )
    model = fit(X[older.kept], y[older.kept], parameters, older.weights) if older else fit(X, y, parameters)
    report(0.8, "writing the model", {})
    data = dump_model(model)
    # read back, so that a file that cannot be served fails here and not at its deployment
    Predictor(data, schema)
    outputs = {
        "model": write_output(request, "model.skops", data),
        "schema": write_output(request, "schema.json", schema.to_bytes()),
    }
    logged, files, not_kept = (
        tracking.end(Path(request.folder)) if spec.training.function else (None, None, "")
    )
    if logged is not None:
        outputs["mlflow"] = write_output(request, "mlflow.json", logged)
    if files is not None:
        outputs["mlflow_files"] = write_output(request, "mlflow.zip", files)
    plain = searched["trials"] if searched else [asdict(trial) for trial in trials]
    if plain:
        outputs["trials"] = write_output(request, "trials.json", json.dumps(plain, indent=1).encode())
    record = {
        "parameters": parameters,
        "estimator": spec.training.estimator or spec.training.function,
        "estimator_parameters": plain_parameters(model) if spec.training.estimator else {},
        "seed": request.seed,
        "trials": plain,
        "training_rows": int(older.kept.sum()) if older else rows.count,
        "model_bytes": len(data),
        **({"not_kept": not_kept} if not_kept else {}),
        **(
            {
                "older_rows": older.text,
                "older_rows_choice": older.choice,
                "older_rows_scores": older.scores,
            }
            if older
            else {}
        ),
        **environment(),
    }
    return StepResult(ok=True, outputs=outputs, record=record)


def _adopted(request: StepRequest, schema: InputSchema, X: Any) -> StepResult:
    """Take a model file of another registry in place of a fit: loaded by our list of types, and held against our rows' form."""
    data = input_path(request, "adopted").read_bytes()
    predictor = Predictor(data, schema)
    try:
        predictor.model.predict(X.head(_TRIED))
    except Exception as error:
        raise InvalidInputError(
            f"the adopted model does not take this model's features: {type(error).__name__}: {one_line(str(error))}"
        ) from error
    outputs = {
        "model": write_output(request, "model.skops", data),
        "schema": write_output(request, "schema.json", schema.to_bytes()),
    }
    record = {
        "parameters": {},
        "estimator": "adopted",
        "estimator_parameters": plain_parameters(predictor.model),
        "seed": request.seed,
        "trials": [],
        "training_rows": 0,
        "model_bytes": len(data),
        **environment(),
    }
    return StepResult(ok=True, outputs=outputs, record=record)


def _older_rows(
    request: StepRequest, spec: ModelSpec, rows: tuple[Any, Any], times: Micros, fit: FitRows, report: Report
) -> OlderRows | None:
    changed_us = request.options.get("changed_us")
    if changed_us is None:
        return None
    if recorded := request.options.get("older_rows"):
        kept, weights = rows_of(recorded, times >= int(changed_us), np.ones(len(times), dtype=bool))
        return OlderRows(kept, weights, recorded)
    report(0.5, "asking whether rows from before the change are of use", {})
    older = choose_older_rows(
        *rows, times, int(changed_us), spec.primary_metric, fit, weighs=takes_weights(spec)
    )
    if older.text:
        report(0.7, older.text, {})
    return older


def _trials(spec: ModelSpec, fit: Fit, X: Any, y: Any, seed: int, report: Report) -> list[Trial]:
    if spec.training.search is None:
        return []
    return search(
        spec.training.search,
        spec.primary_metric,
        fit,
        spec.training.parameters,
        (X, y),
        seed,
        lambda fraction, message, figures: report(0.1 + 0.6 * fraction, message, figures),
    )
