"""Performance without truth, for every task: what a version's hold-out teaches, and what it says about a window.

Binary: from the score alone (``confidence_estimation``). Multiclass: accuracy, from the winning class's probability, for
telemetry carries no other. Regression: MAE and RMSE, from every column (``loss_estimation``). Everything is computed from
profiles; no event is read.
"""

from dataclasses import dataclass

import numpy as np

from pilothouse.domain.errors import IntegrityError
from pilothouse.domain.evaluation import MetricValue
from pilothouse.domain.model_spec import Task
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
"""The metrics that can be estimated without truth."""
FEWEST_ROWS = 200
"""A hold-out of fewer rows teaches nothing; a target with fewer takes what all targets pooled teach."""
FEWEST_DAYS = 2

_QUANTUM = 1 << 12
_MIDDLE = 1 << 15
"""Draws of log-odds are stored in steps of 1/4096 about 0: −8 to 8 in two bytes."""


@dataclass(frozen=True, slots=True, eq=False)
class Estimator:
    """What can be said of windows without truth: by the score, or by every column (a regression)."""

    by_score: ScoreEstimator | None = None
    by_columns: LossModel | None = None


def can_estimate(task: Task, metric: str) -> bool:
    """True for a metric that can be known without truth."""
    return metric in ESTIMATED[task]


def learn(
    specification: ProfileSpecification, own: TargetReference, pooled: TargetReference, *, seed: int = 0
) -> Estimator | None:
    """What the hold-out of a target teaches (of all pooled, where it is too small); None where nothing can be learnt."""
    if specification.task == "regression":
        model = own.losses or pooled.losses
        return Estimator(by_columns=model) if model is not None else None
    taught = _teacher(specification, own, pooled)
    return Estimator(by_score=learn_from_scores(*taught, seed=seed)) if taught is not None else None


def _teacher(
    specification: ProfileSpecification, own: TargetReference, pooled: TargetReference
) -> tuple[Floats, Ints, Ints] | None:
    """Scores, rows and positives of the hold-out that is learnt from."""
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
    """The metric of a window without its truth, with the band in which the realised one lies while only inputs move.

    ``days`` are the profiles of the window's days. NaN where it is not defined.
    """
    sizes = np.array([day.rows for day in days], dtype=np.float64)
    rows_a_day = float((sizes**2).sum() / sizes.sum()) if sizes.sum() else 0.0
    whole = profile.merge_all(specification, days)
    if estimator.by_score is not None:
        counts = profile.histogram(specification, whole, specification.score.name).counts
        form = "hits" if specification.task == "multiclass" else metric
        found = estimate_from_scores(
            estimator.by_score, counts, form, rows_a_day=rows_a_day, confidence=confidence
        )
        return MetricValue(metric, found.value, found.low, found.high, found.rows)
    assert estimator.by_columns is not None
    return estimate_loss(
        specification, estimator.by_columns, whole, metric, rows_a_day=rows_a_day, confidence=confidence
    )


def held_out(specification: ProfileSpecification, reference: TargetReference) -> tuple[Ints, Ints]:
    """Rows, and rows of the positive class (of several classes: rows answered rightly), int64[days, bins of the score]."""
    if specification.task == "binary" and reference.outcomes:
        pairs = [outcome_profile.by_class(specification, day) for day in reference.outcomes]
        positives = np.array([pair[1] for pair in pairs])
        return positives + np.array([pair[0] for pair in pairs]), positives
    if specification.task == "multiclass" and reference.hits is not None:
        return reference.hits
    none = np.zeros((0, specification.score.bins), np.int64)
    return none, none


def _score_of_bins(specification: ProfileSpecification, reference: TargetReference) -> Floats:
    """The mean score of each bin on the hold-out, the middle of a bin that it leaves empty; never decreasing."""
    column = specification.score
    held = profile.merge_all(specification, reference.holdout)
    of = profile.histogram(specification, held, column.name)
    middles = column.anchors + column.units * (OFFSET_UNITS / 2)
    middles[[0, -1]] = column.anchors[[0, -1]]
    scores = np.where(of.counts > 0, profile.bin_means(column, of), middles)
    return frozen(np.clip(np.maximum.accumulate(scores), 0.0, 1.0))


def encode(specification: ProfileSpecification, estimator: Estimator) -> bytes:
    """Compact bytes of what took time to learn by score; the rest is in the reference. ``decode`` reads them."""
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
    """Read what ``encode`` wrote of this reference. Raises IntegrityError for damage, or another reference."""
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
