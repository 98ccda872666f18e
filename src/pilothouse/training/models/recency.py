"""Older rows after a change: are they of use, or do they teach the old world?

Decided on rows for training alone, so that the hold-out judges a model that it had no part in choosing.
"""

from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import pandas as pd

from pilothouse.domain.formats.time_units import DAY_US, from_us
from pilothouse.domain.models.model_spec import METRICS
from pilothouse.training.data.times import Micros
from pilothouse.training.models.fitting import scores_of

FOLDS = 2
"""Folds of the new rows, by days in turn: each is scored by models that learnt the other."""
_FEWEST_ROWS = 50
"""New rows at least; with fewer all rows are used."""

Flags = npt.NDArray[np.bool_]
ALL = "all rows"
WEIGHED = "all rows, the new ones weighing as much as those before them"
AS_MANY = "the new rows and as many before them"
NEW = "the new rows alone"


class FitRows(Protocol):
    """Function that returns an estimator fitted to rows, with a weight for each where given."""

    def __call__(self, X: pd.DataFrame, y: "pd.Series[Any]", weights: Any = None, /) -> Any: ...


@dataclass(frozen=True, slots=True)
class OlderRows:
    """Rows that are trained on (bool[rows]) and, where they do not count alike, their weights (float64[those]). ``scores`` of
    each choice, the mean over folds; ``choice``, the name of the one taken, and a sentence, both empty where none was made."""

    kept: Flags
    weights: npt.NDArray[np.float64] | None = None
    choice: str = ""
    scores: dict[str, float] = field(default_factory=dict)
    text: str = ""


def choose_older_rows(
    X: pd.DataFrame,
    y: "pd.Series[Any]",
    times: Micros,
    changed_us: int,
    metric: str,
    fit: FitRows,
    *,
    weighs: bool = False,
) -> OlderRows:
    """The best choice, by the mean of ``metric`` over folds of the new rows, of three: all rows; all, with a larger weight for
    the new ones (``weighs``: the estimator takes weights; else as many of the newest older rows as there are new ones); the new
    rows alone. All rows where the new ones are too few to ask, or the metric is not defined on a fold.

    The best is taken by however little: to keep rows of the old world costs as much as to leave out rows that would still
    teach, so neither has to be shown beyond chance. Between the two stands the choice that leaves nothing out.
    """
    new = times >= changed_us
    everything = np.ones(len(times), dtype=bool)
    if int(new.sum()) < _FEWEST_ROWS or new.all():
        return OlderRows(everything)
    sign = 1.0 if METRICS[metric][0] == "higher" else -1.0
    # the place of a row's day among the new ones; older rows are in every fold
    _, place = np.unique(times // DAY_US * new, return_inverse=True)
    held = [new & (place % FOLDS == i) for i in range(FOLDS)]
    scores: dict[str, float] = {}
    for name in (ALL, WEIGHED if weighs else AS_MANY, NEW):
        values = [_score(name, (X, y), new, test, metric, fit) for test in held]
        known = [value for value in values if value is not None]
        if len(known) == FOLDS:
            scores[name] = float(np.mean(known))
        elif name == ALL:
            return OlderRows(everything)
    best = max(scores, key=lambda name: sign * scores[name])
    kept, weights = rows_of(best, new, everything)
    told = ", ".join(f"{name} {score:.4g}" for name, score in scores.items())
    text = (
        f"trained on {best}: {metric} on days since {from_us(changed_us):%Y-%m-%d} that were left out in turn, by what was "
        f"trained on: {told}"
    )
    return OlderRows(kept, weights, best, scores, text)


def rows_of(choice: str, new: Flags, among: Flags) -> tuple[Flags, npt.NDArray[np.float64] | None]:
    """Rows of a choice ``among`` those given, and their weights. ``new``: those since the change; rows are sorted by time."""
    now, before = among & new, among & ~new
    if choice == NEW:
        return now, None
    if choice == AS_MANY:
        newest = np.flatnonzero(before)[-int(now.sum()) :]
        kept = now.copy()
        kept[newest] = True
        return kept, None
    if choice == WEIGHED:
        heavy = max(1.0, int(before.sum()) / int(now.sum()))
        return among, np.where(new, heavy, 1.0)[among]
    return among, None


def _score(
    choice: str,
    rows: tuple[pd.DataFrame, "pd.Series[Any]"],
    new: Flags,
    test: Flags,
    metric: str,
    fit: FitRows,
) -> float | None:
    train, weights = rows_of(choice, new, ~test)
    return scores_of(metric, lambda X, y: fit(X, y, weights), rows, train, test)
