"""Estimated performance of windows whose outcomes are not known yet, for every task.

Binary: from the score alone (``confidence_estimation``). Multiclass: accuracy, from the winning class's probability,
since telemetry carries no other. Regression: MAE and RMSE, from every column (``loss_estimation``). An estimator is
learnt from a version's hold-out; everything is computed from profiles, and no event is read.
"""

from dataclasses import dataclass

import numpy as np

from pilothouse.domain.errors import IntegrityError
from pilothouse.domain.models.evaluation import MetricValue
from pilothouse.domain.models.model_spec import Task
from pilothouse.statistics.arrays import AnyArray, Floats, Ints, frozen
from pilothouse.statistics.encoding import pack, unpack
from pilothouse.statistics.estimation.confidence_estimation import (
    ScoreEstimator,
    estimate_from_scores,
    learn_from_scores,
)
from pilothouse.statistics.estimation.expected_metrics import EXPECTED
from pilothouse.statistics.estimation.loss_estimation import LossModel, estimate_loss
from pilothouse.statistics.estimation.probability_calibration import CalibratedScores
from pilothouse.statistics.profiles import outcome_profile, profile
from pilothouse.statistics.profiles.profile import Profile
from pilothouse.statistics.profiles.specification import OFFSET_UNITS, ProfileSpecification
from pilothouse.statistics.reference import TargetReference

ESTIMATED: dict[Task, tuple[str, ...]] = {
    "binary": tuple(name for name in EXPECTED if name != "hits"),
    "multiclass": ("accuracy",),
    "regression": ("mae", "rmse"),
}
"""Metrics that can be estimated without outcomes, by task."""
FEWEST_ROWS = 200
"""Hold-out rows below which nothing is learnt; a target with fewer uses the hold-out of all targets pooled."""
FEWEST_DAYS = 2
"""Days of the hold-out below which nothing is learnt: the estimator cross-validates and resamples days."""

_QUANTUM = 1 << 12
"""Steps of log-odds a unit in which draws are stored."""
_MIDDLE = 1 << 15
"""Stored number of a draw of 0. Steps of 1/4096 about it reach from −8 to 8 in two bytes."""


@dataclass(frozen=True, slots=True, eq=False)
class Estimator:
    """Knowledge learnt from a hold-out: ``by_score`` for a classification, ``by_columns`` for a regression; the other is
    None."""

    by_score: ScoreEstimator | None = None
    by_columns: LossModel | None = None


def can_estimate(task: Task, metric: str) -> bool:
    """True where the metric can be estimated without outcomes for a model of this task (ESTIMATED)."""
    return metric in ESTIMATED[task]


def learn(
    specification: ProfileSpecification, own: TargetReference, pooled: TargetReference, *, seed: int = 0
) -> Estimator | None:
    """Estimator learnt from the hold-out of a target (``own``), or of all targets (``pooled``) where that has fewer
    than FEWEST_ROWS rows or FEWEST_DAYS days; None where neither suffices. ``seed`` is that of the resampled days;
    the result is deterministic."""
    if specification.task == "regression":
        model = own.losses or pooled.losses
        return Estimator(by_columns=model) if model is not None else None
    taught = _teacher(specification, own, pooled)
    return Estimator(by_score=learn_from_scores(*taught, seed=seed)) if taught is not None else None


def _teacher(
    specification: ProfileSpecification, own: TargetReference, pooled: TargetReference
) -> tuple[Floats, Ints, Ints] | None:
    """Score of each bin, float64[bins], and rows and positives, int64[days, bins], of the hold-out that is learnt from."""
    for reference in (own, pooled):
        rows, positives = held_out(specification, reference)
        if rows.sum() >= FEWEST_ROWS and len(rows) >= FEWEST_DAYS:
            return _score_of_bins(specification, reference), rows, positives
    return None


def estimate(
    specification: ProfileSpecification,
    estimator: Estimator,
    days: list[Profile],
    metric: str,
    *,
    confidence: float = 0.95,
) -> MetricValue:
    """Estimated value of ``metric`` in a window whose ``days`` are profiles of one day each, with the band in which
    the metric from outcomes lies with probability ``confidence`` as long as only the inputs have changed. Errors are
    in the outcome's own unit. NaN where the metric is not defined (no rows, one class expected). Formulas:
    ``estimate_from_scores`` and ``estimate_loss``."""
    sizes = np.array([day.rows for day in days], dtype=np.float64)
    # Σn²/Σn: the size of a day as its average row sees it, which is what correlation within days acts on
    rows_a_day = float((sizes**2).sum() / sizes.sum()) if sizes.sum() else 0.0
    whole = profile.merge_all(specification, days)
    if estimator.by_score is not None:
        counts = profile.histogram(specification, whole, specification.score.name).counts
        form = "hits" if specification.task == "multiclass" else metric
        estimated = estimate_from_scores(
            estimator.by_score, counts, form, rows_a_day=rows_a_day, confidence=confidence
        )
        return MetricValue(metric, estimated.value, estimated.low, estimated.high, estimated.rows)
    assert estimator.by_columns is not None
    return estimate_loss(
        specification, estimator.by_columns, whole, metric, rows_a_day=rows_a_day, confidence=confidence
    )


def held_out(specification: ProfileSpecification, reference: TargetReference) -> tuple[Ints, Ints]:
    """Rows and positives of a reference's hold-out by score, each int64[days, bins]; [0, bins] where it has none or
    the task is a regression. Of several classes a positive is a row whose predicted class was right."""
    if specification.task == "binary" and reference.outcomes:
        pairs = [outcome_profile.by_class(specification, day) for day in reference.outcomes]
        positives = np.array([pair[1] for pair in pairs])
        return positives + np.array([pair[0] for pair in pairs]), positives
    if specification.task == "multiclass" and reference.hits is not None:
        return reference.hits
    none = np.zeros((0, specification.score.bins), np.int64)
    return none, none


def _score_of_bins(specification: ProfileSpecification, reference: TargetReference) -> Floats:
    """Mean score of each bin on the hold-out, float64[bins] within 0 to 1 and never decreasing; an empty bin has its
    middle."""
    column = specification.score
    holdout = profile.merge_all(specification, reference.holdout)
    of = profile.histogram(specification, holdout, column.name)
    middles = column.anchors + column.units * (OFFSET_UNITS / 2)
    middles[[0, -1]] = column.anchors[[0, -1]]
    scores = np.where(of.counts > 0, profile.bin_means(column, of), middles)
    return frozen(np.clip(np.maximum.accumulate(scores), 0.0, 1.0))


def encode(specification: ProfileSpecification, estimator: Estimator) -> bytes:
    """Bytes of an estimator by score (kind "E"): calibrated probabilities and draws, which took time to learn. The
    rest follows from the reference. Draws are rounded to 1/4096 of log-odds."""
    learnt = estimator.by_score
    assert learnt is not None
    steps = np.clip(np.rint(learnt.draws * _QUANTUM) + _MIDDLE, 0, 2 * _MIDDLE - 1).astype(np.int64)
    calibrated = learnt.calibrated
    header = {
        "of": specification.digest[:16],
        "weights": calibrated.weights,
        "dispersion": calibrated.dispersion,
        "draws": len(steps),
    }
    arrays: dict[str, AnyArray] = {
        "probabilities": calibrated.probabilities,
        "knots": learnt.knots,
        "steps": steps.ravel(),
    }
    return pack("E", header, arrays)


def decode(
    specification: ProfileSpecification, own: TargetReference, pooled: TargetReference, data: bytes
) -> Estimator:
    """Estimator from the bytes that ``encode`` wrote for the same reference. Raises IntegrityError for damaged bytes
    or where ``specification`` or the reference's bins are others."""
    header, arrays = unpack("E", data)
    taught = _teacher(specification, own, pooled)
    try:
        if taught is None or header["of"] != specification.digest[:16]:
            raise ValueError("it was learnt under another specification")
        scores, rows, positives = taught
        probabilities, knots = arrays["probabilities"], arrays["knots"]
        draws = (arrays["steps"].reshape(int(header["draws"]), len(knots)) - _MIDDLE) / _QUANTUM
        if len(probabilities) != len(scores):
            raise ValueError("as many probabilities as bins are expected")
        calibrated = CalibratedScores(probabilities, dict(header["weights"]), float(header["dispersion"]))
        return Estimator(by_score=ScoreEstimator(scores, calibrated, knots, frozen(draws), rows, positives))
    except (KeyError, TypeError, ValueError) as error:
        raise IntegrityError(
            f"a stored estimator is damaged: {error!r}; restore telemetry.db from a backup"
        ) from None
