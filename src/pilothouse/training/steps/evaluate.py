"""``evaluate`` step: a fresh process scores the hold-out, runs the gates and builds the reference. Runs no user code.

Inputs: ``model``, ``schema``, ``train``, ``holdout`` and, for each live version N, ``incumbent_N_model`` and
``incumbent_N_schema``. Options: ``incumbents`` [{number, targets, trained_until_us}], ``data_gates`` (what the snapshot
step found), ``made_us`` (when an adopted model was made). Outputs: ``profile_spec``, ``reference``, ``predictions`` (parquet,
exact float64), ``portable`` (the portable form, where there is one), ``pictures`` (JSON,
``domain/models/model_pictures.py``). Record: ``metrics`` with 95 % intervals (all rows, then slices), ``gates``,
``importance`` (feature to the loss of the metric when its values are shuffled), ``portable`` (why there is no portable form,
and on how many rows it was compared), ``fitted`` (the steps of the fitted model in words), ``rows_a_day`` by target,
``window_notes`` (targets whose windows will hold too few of them), ``latency_us`` {p50, p95, p99, calls}, and the environment
(python, platform, packages, threads), which user code cannot forge here.
"""

from dataclasses import asdict
from typing import Any

import numpy as np

from pilothouse.domain.jobs.jobs import StepRequest, StepResult
from pilothouse.domain.models.model_spec import ModelSpec
from pilothouse.domain.monitoring.judging import window_notes
from pilothouse.inference.portable.packaging import packaged
from pilothouse.inference.predictor import Predictor
from pilothouse.inference.schema import InputSchema
from pilothouse.statistics import reference as references
from pilothouse.training.champion_comparison import Incumbent, compare_with_live
from pilothouse.training.data.data_checks import unseen_gate
from pilothouse.training.data.rows import Rows, read_rows
from pilothouse.training.environment import environment
from pilothouse.training.gates import adopted_gate, latency_gate, metric_gate, portable_gate, size_gate
from pilothouse.training.models.fitted_steps import fitted_steps
from pilothouse.training.models.importance import permutation_importance
from pilothouse.training.models.model_pictures import model_pictures, to_bytes
from pilothouse.training.models.scoring import measure, measure_slices, score, write_predictions
from pilothouse.training.references import dated, refer, rows_a_day, specify
from pilothouse.training.steps.common import Report, input_path, output_path, spec_of, step, write_output

LATENCY_REPEATS = 50
"""Single-row predictions that are timed where the model file has no latency gate."""


@step
def run(request: StepRequest, report: Report) -> StepResult:
    """Score the hold-out, measure and judge it, and build the reference."""
    spec = spec_of(request)
    model = input_path(request, "model").read_bytes()
    predictor = Predictor(model, InputSchema.from_bytes(input_path(request, "schema").read_bytes()))
    train, holdout = (read_rows(input_path(request, name), spec) for name in ("train", "holdout"))
    report(0.1, f"scoring {holdout.count} held-out rows", {})
    scored = score(predictor, holdout)
    metrics = measure(scored)
    for column in spec.data.slices:
        metrics += measure_slices(scored, holdout, column)
    report(0.3, "measured", {metric.metric: metric.value for metric in metrics if not metric.slice})
    report(0.35, "writing the portable form and comparing it", {})
    portable = packaged(predictor, holdout.columns(predictor.schema), seed=request.seed)
    # what will be served is timed
    served = Predictor(portable.data, predictor.schema) if portable.data is not None else predictor
    repeats = spec.gates.latency.repeats if spec.gates.latency else LATENCY_REPEATS
    times = time_calls(served, holdout, repeats)
    unseen = unseen_gate(train, holdout, predictor.schema)
    gates = [unseen] if unseen is not None else []
    if (made_us := request.options.get("made_us")) is not None:
        gates.append(adopted_gate(int(made_us), holdout.times))
    gates += [metric_gate(bound, metrics) for bound in spec.gates.metric]
    if spec.gates.latency is not None:
        gates.append(latency_gate(spec.gates.latency, times, portable=portable.data is not None))
    if spec.gates.model_size_mb is not None:
        gates.append(size_gate(spec.gates.model_size_mb, len(model)))
    if spec.gates.portable:
        gates.append(portable_gate(portable.reason, portable.rows))
    report(0.4, "comparing with what is live", {})
    forms = [form for form in (model, portable.data) if form is not None]
    gates += compare_with_live(spec, _incumbents(request), holdout, scored, request.seed, forms)
    report(0.6, "building the reference", {})
    outputs, a_day = _reference(request, spec, predictor, (train, holdout), scored)
    notes = window_notes(a_day, spec.monitoring)
    for note in notes:
        report(0.7, note, {})
    predictions = output_path(request, "predictions.parquet")
    write_predictions(predictions, scored)
    if portable.data is not None:
        outputs["portable"] = write_output(request, "portable.npz", portable.data)
    p50, p95, p99 = (int(value) for value in np.percentile(times, [50, 95, 99]))
    report(0.9, "measuring what each feature carries", {})
    importance = permutation_importance(predictor, holdout, spec.primary_metric, request.seed)
    if holdout.count:
        pictures = model_pictures(predictor, holdout, scored, importance, request.seed)
        outputs["pictures"] = write_output(request, "pictures.json", to_bytes(pictures))
    record = {
        "importance": {one.feature: one.loss for one in importance},
        "metrics": [asdict(metric) for metric in metrics],
        "gates": [*request.options.get("data_gates", []), *(asdict(gate) for gate in gates)],
        "portable": {"reason": portable.reason, "rows": portable.rows},
        "fitted": fitted_steps(predictor.model, [*predictor.schema.categorical, *predictor.schema.numeric]),
        "rows_a_day": a_day,
        "window_notes": notes,
        "latency_us": {"p50": p50, "p95": p95, "p99": p99, "calls": len(times)},
        **environment(),
    }
    return StepResult(ok=True, outputs={**outputs, "predictions": str(predictions)}, record=record)


def time_calls(predictor: Predictor, rows: Rows, repeats: int) -> list[int]:
    """Microseconds of ``repeats`` single-row predictions, with one thread, as a serving process makes them."""
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    example = Rows(rows.table.slice(0, repeats), rows.times[:repeats], rows.outcomes[:repeats])
    columns = example.columns(predictor.schema)
    one_row: dict[str, Any] = {**columns.numeric, **columns.categorical}
    with threadpool_limits(1):
        return predictor.measure_latency_us(one_row, repeats)


def _incumbents(request: StepRequest) -> list[Incumbent]:
    return [
        Incumbent(
            int(live["number"]),
            tuple(live["targets"]),
            int(live["trained_until_us"]),
            input_path(request, f"incumbent_{live['number']}_model"),
            input_path(request, f"incumbent_{live['number']}_schema"),
        )
        for live in request.options.get("incumbents", [])
    ]


def _reference(
    request: StepRequest, spec: ModelSpec, predictor: Predictor, rows: tuple[Rows, Rows], holdout_scores: Any
) -> tuple[dict[str, str], dict[str, float]]:
    train, holdout = rows
    schema = predictor.schema
    both = (dated(schema, train, score(predictor, train)), dated(schema, holdout, holdout_scores))
    specification = specify(schema, *both)
    reference = refer(spec, specification, rows, both)
    files = {
        "profile_spec": specification.to_bytes(),
        "reference": references.encode(specification, reference),
    }
    outputs = {name: write_output(request, f"{name}.bin", data) for name, data in files.items()}
    return outputs, rows_a_day(spec, reference)
