"""Classes of a window's outcomes: a metric that one class alone leaves undefined, and classes that have vanished."""

import math
from collections.abc import Sequence

import numpy as np

from pilothouse.domain.models.evaluation import MetricValue
from pilothouse.statistics.performance import outcomes
from pilothouse.statistics.profiles.outcome_profile import OutcomeProfile, merge_all
from pilothouse.statistics.profiles.specification import ProfileSpecification

VANISHED = 0.001
"""Probability, for all classes together, with which a class of the reference is absent from so many outcomes by chance, at
or below which it has vanished."""
_NAMES = {"auc": "AUROC", "average_precision": "average precision", "log_loss": "log loss"}


def why_undefined(specification: ProfileSpecification, profile: OutcomeProfile, metric: str) -> str:
    """Why a metric has no value on a window's outcomes: ``one class only, 386 outcomes: no AUROC``."""
    name = _NAMES.get(metric, metric)
    if not profile.rows:
        return "no outcome is known"
    if specification.classes and np.count_nonzero(profile.confusion.sum(axis=1)) == 1:
        return f"one class only, {profile.rows:,} outcomes: no {name}"
    return f"no {name} is defined on these {profile.rows:,} outcomes"


def other_metrics(
    specification: ProfileSpecification, days: Sequence[OutcomeProfile], metric: str
) -> tuple[MetricValue, ...]:
    """The metrics beside this one that are defined on the outcomes of some days, with their intervals."""
    names = [name for name in outcomes.metrics_of(specification.task) if name != metric]
    values = [outcomes.measured_over_days(specification, days, name) for name in names]
    return tuple(v for v in values if all(map(math.isfinite, (v.value, v.low, v.high))))


def vanished_classes(
    specification: ProfileSpecification, profile: OutcomeProfile, reference: Sequence[OutcomeProfile]
) -> tuple[str, ...]:
    """Classes that the reference's outcomes hold and a window's do not, though chance would hardly leave them out.

    Own construction: outcomes are binomial with the reference's share, and as many as they are worth: divided by the factor
    by which the share varies more from day to day than independent rows would make it.
    """
    if not specification.classes or not profile.rows:
        return ()
    days = [day for day in reference if day.rows]
    if not days:
        return ()
    rows = np.array([day.rows for day in days], np.float64)
    counts = np.array([day.confusion.sum(axis=1) for day in days], np.float64)
    present = profile.confusion.sum(axis=1) > 0
    shares = counts.sum(axis=0) / rows.sum()
    vanished = []
    for k, name in enumerate(specification.classes):
        share = float(shares[k])
        if present[k] or not 0 < share < 1:
            continue
        expected = float((rows * share * (1 - share)).sum())
        spread = float(((counts[:, k] - rows * share) ** 2).sum()) / expected
        worth = profile.rows / max(spread, 1.0)
        if worth * math.log1p(-share) <= math.log(VANISHED / len(specification.classes)):
            vanished.append(name)
    return tuple(vanished)


def class_shares(
    specification: ProfileSpecification, reference: Sequence[OutcomeProfile]
) -> dict[str, float]:
    """Share of each class in the reference's outcomes; nothing where it has none."""
    whole = merge_all(specification, reference)
    if not whole.rows:
        return {}
    counts = whole.confusion.sum(axis=1)
    return {name: float(counts[k] / whole.rows) for k, name in enumerate(specification.classes)}
