"""``trial`` step: one candidate of a search, scored on some folds in time of the training rows. Runs the user's training
code.

Inputs: ``train`` (parquet), ``model_folder``. Options: ``parameters`` (of the candidate), ``folds`` (which, 0 the
oldest). Record: ``scores`` {fold: score in the primary metric's units, or None where the fold lacks a class}.
"""

from pathlib import Path

from pilothouse.domain.jobs.jobs import StepRequest, StepResult
from pilothouse.training.data.rows import read_rows, schema_of, training_frame
from pilothouse.training.models.fitting import fitter, score_on_folds
from pilothouse.training.steps.common import Report, input_path, spec_of, step


@step
def run(request: StepRequest, report: Report) -> StepResult:
    """Fit and score one fold after another."""
    spec = spec_of(request)
    search = spec.training.search
    assert search is not None
    rows = read_rows(input_path(request, "train"), spec)
    schema = schema_of(rows, spec)
    X, y = training_frame(rows, schema, spec)
    fit = fitter(spec, schema, Path(request.inputs["model_folder"]), request.seed, request.threads)
    parameters = {**spec.training.parameters, **request.options["parameters"]}
    folds = [int(fold) for fold in request.options["folds"]]
    scores: dict[str, float | None] = {}
    for i, fold in enumerate(folds):
        report(i / len(folds), f"fold {fold + 1} of {search.folds}", {})
        by_fold = score_on_folds(search.folds, [fold], spec.primary_metric, fit, parameters, (X, y))
        scores[str(fold)] = by_fold[fold]
    return StepResult(ok=True, record={"scores": scores})
