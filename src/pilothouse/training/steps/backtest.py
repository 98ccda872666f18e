"""``backtest`` step: several versions score the same rows with outcomes, in the past of the telemetry or of a file.

Inputs: ``rows`` (parquet: the features, ``truth``, ``event_time``, any slice columns) and ``version_N_model`` with
``version_N_schema`` for each version. Options: ``slice_by`` (a column, or none). Record: ``metrics`` {N: [MetricValue]},
``comparisons`` [each later version against the first, by the primary metric], ``rows``.
"""

import re
from dataclasses import asdict, replace
from typing import Any

from pilothouse.domain.errors import InvalidInputError
from pilothouse.domain.jobs.jobs import StepRequest, StepResult
from pilothouse.domain.models.evaluation import MetricValue
from pilothouse.domain.models.model_spec import ModelSpec
from pilothouse.statistics.performance.blocks import time_blocks
from pilothouse.statistics.performance.comparison import paired_bootstrap
from pilothouse.training.data.rows import Rows, read_rows
from pilothouse.training.gates import REPEATS
from pilothouse.training.models.scoring import Scored, load_predictor, measure, measure_slices, score
from pilothouse.training.steps.common import Report, input_path, spec_of, step

_VERSION = re.compile(r"version_(\d+)_model")


@step
def run(request: StepRequest, report: Report) -> StepResult:
    """Score, measure, and compare each version with the first."""
    spec = spec_of(request)
    labelled = replace(spec, data=replace(spec.data, target="truth", timestamp="event_time"))
    rows = read_rows(input_path(request, "rows"), labelled)
    numbers = sorted(int(match[1]) for name in request.inputs if (match := _VERSION.fullmatch(name)))
    if not rows.count or not numbers:
        raise InvalidInputError(
            f"backtest: {rows.count} labelled rows and {len(numbers)} versions; expected some of both"
        )
    slice_by = request.options.get("slice_by")
    scored: dict[int, Scored] = {}
    metrics: dict[str, list[dict[str, Any]]] = {}
    for i, number in enumerate(numbers):
        report(i / len(numbers), f"version {number} on {rows.count} rows", {})
        predictor = load_predictor(
            input_path(request, f"version_{number}_model"), input_path(request, f"version_{number}_schema")
        )
        scored[number] = score(predictor, rows)
        metrics[str(number)] = [asdict(value) for value in _measured(scored[number], rows, slice_by)]
    comparisons = [_compared(spec, scored, numbers[0], number, request.seed) for number in numbers[1:]]
    return StepResult(ok=True, record={"metrics": metrics, "comparisons": comparisons, "rows": rows.count})


def _measured(scored: Scored, rows: Rows, slice_by: str | None) -> list[MetricValue]:
    return measure(scored) + (measure_slices(scored, rows, slice_by) if slice_by else [])


def _compared(
    spec: ModelSpec, scored: dict[int, Scored], first: int, other: int, seed: int
) -> dict[str, Any]:
    a, b = scored[first], scored[other]
    try:
        comparison = paired_bootstrap(
            spec.primary_metric,
            a.coded(),
            b.coded(),
            repeats=REPEATS,
            seed=seed,
            blocks=time_blocks(a.times).labels,
        )
    except InvalidInputError as error:
        return {"version": other, "against": first, "error": str(error)}
    return {"version": other, "against": first, **asdict(comparison)}
