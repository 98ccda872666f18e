"""Scored rows: predictions beside their outcomes, checked and coded once for every metric."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pilothouse.domain.errors import InvalidInputError
from pilothouse.domain.models.model_spec import METRICS, Task
from pilothouse.domain.monitoring.categories import category_text
from pilothouse.statistics.arrays import AnyArray, Floats, Ints
from pilothouse.statistics.profiles.classes import class_codes


@dataclass(frozen=True, slots=True, eq=False)
class ScoredRows:
    """Predictions and outcomes of n rows. ``outcomes`` and ``labels`` are codes among ``classes`` (int64[n]; a binary
    task's positive class is 1); for a regression ``outcomes`` is float64[n] and ``labels`` is empty. ``scores``
    float64[n] are as in a prediction batch; ``probabilities`` is float64[n, classes] or None."""

    task: Task
    classes: tuple[str, ...]
    outcomes: Ints | Floats
    scores: Floats
    labels: Ints
    probabilities: Floats | None

    @property
    def rows(self) -> int:
        """Number of rows."""
        return len(self.scores)


def scored_rows(
    task: Task,
    outcomes: Sequence[object] | AnyArray,
    scores: Floats,
    labels: Sequence[object] | AnyArray,
    classes: Sequence[str],
    probabilities: Floats | None = None,
) -> ScoredRows:
    """Rows checked and coded. ``outcomes`` and ``labels`` are classes as text or number, or values (then ``labels`` is
    unused); ``scores`` float64[n]. Without ``classes`` those that occur are taken. A true class of a multiclass task
    that the model does not know becomes one more class, with probability 0. Raises InvalidInputError where lengths or
    shapes differ, a score, outcome or probability is missing or not finite, or a binary outcome is neither class."""
    scores = np.asarray(scores, dtype=np.float64)
    classifies = task != "regression"
    if len(outcomes) != len(scores) or (classifies and len(labels) != len(scores)):
        raise InvalidInputError(
            f"metrics: {len(outcomes)} outcomes, {len(scores)} scores and {len(labels)} labels; expected as many of each"
        )
    _check_finite("scores", scores)
    if not classifies:
        values = np.asarray(outcomes, dtype=np.float64)
        _check_finite("true values", values)
        return ScoredRows(task, (), values, scores, np.empty(0, np.int64), None)
    names = tuple(classes) or classes_of(outcomes, labels)
    if task == "multiclass":
        names += tuple(name for name in classes_of(outcomes, labels) if name not in names)
    true, predicted = class_codes(names, outcomes), class_codes(names, labels)
    if (true < 0).any() or (predicted < 0).any():
        at = int(np.argmax((true < 0) | (predicted < 0)))
        raise InvalidInputError(
            f"metrics: row {at} has outcome {outcomes[at]!r} and label {labels[at]!r}; expected one of {', '.join(names)}"
        )
    if task == "binary" and len(names) != 2:
        raise InvalidInputError(f"metrics: found the classes {', '.join(names) or 'none'}; expected two")
    return ScoredRows(task, names, true, scores, predicted, _probabilities(probabilities, len(names)))


def check_task(metric: str, task: Task) -> None:
    """Check that a metric is defined for a task. Raises InvalidInputError where it is not."""
    if metric not in METRICS or task not in METRICS[metric][1]:
        known = ", ".join(name for name, (_, tasks) in METRICS.items() if task in tasks)
        raise InvalidInputError(
            f"metric {metric!r} is not defined for a {task} model; expected one of {known}"
        )


def _check_finite(what: str, values: Floats) -> None:
    bad = int(np.sum(~np.isfinite(values)))
    if bad:
        raise InvalidInputError(
            f"metrics: {bad:,} of {len(values):,} {what} are missing or infinite; expected numbers"
        )


def classes_of(*columns: Sequence[object] | AnyArray) -> tuple[str, ...]:
    """Classes that occur in any of the columns, as text without missing values: numbers by value, then texts by
    letter, as scikit-learn orders either kind."""
    texts: set[str] = set()
    for column in columns:
        values = np.unique(column).tolist() if isinstance(column, np.ndarray) else column
        texts.update(text for text in map(category_text, values) if text is not None)
    return tuple(sorted(texts, key=_natural))


def _natural(text: str) -> tuple[float, str]:
    try:
        return float(text), text
    except ValueError:
        return np.inf, text


def _probabilities(given: Floats | None, classes: int) -> Floats | None:
    if given is None:
        return None
    array = np.asarray(given, dtype=np.float64)
    if array.ndim != 2 or array.shape[1] > classes:
        raise InvalidInputError(
            f"metrics: probabilities have shape {array.shape}; expected (rows, {classes})"
        )
    _check_finite("probabilities", array.ravel())
    unknown = np.zeros((len(array), classes - array.shape[1]))
    return np.hstack((array, unknown))
