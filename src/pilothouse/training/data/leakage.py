"""Leakage: how well each feature alone tells the outcome, measured as fits the task.

A feature that tells it (almost) wholly is one that is known only afterwards, more often than not.
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from pilothouse.domain.models.model_spec import ModelSpec
from pilothouse.inference.columns import categories, numbers
from pilothouse.training.data.sources import class_order

ROWS = 40_000
"""Rows that are searched for leaks, evenly spread over time: a leak shows in far fewer."""
_CELLS = 200
"""Cells into which a number is cut for more than two classes: enough to follow a code, and with rows left in each."""

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]
_Score = Callable[[Floats, Floats], float]


def single_feature_scores(table: pa.Table, spec: ModelSpec) -> dict[str, float]:
    """Score of each feature alone against the outcome, by the measure of ``LEAKAGE_MEASURES``.

    Two classes: AUC in whichever direction is higher. More classes: balanced accuracy (the mean over the classes of the share
    of their rows that are told right) of the class that is most frequent among like values, against its frequency overall.
    Regression: |Spearman|. What has to be learnt, a category's mean outcome or its class, is learnt on the other half of the
    rows, so that a column of ids is not taken for a leak. Whether a number is missing counts too.
    """
    step = max(1, table.num_rows // ROWS)
    rows = table.take(pa.array(np.arange(0, table.num_rows, step)))
    target = rows.column(spec.data.target)
    if spec.task == "regression":
        return _scores(rows, spec, numbers(spec.data.target, target.to_numpy()), _spearman)
    texts = np.asarray(categories(target.to_pylist()), dtype=object)
    classes = class_order(target)
    if len(classes) <= 2:
        return _scores(rows, spec, (texts == classes[-1]).astype(np.float64), _auc_either_way)
    codes = pd.Categorical(texts, categories=list(classes)).codes.astype(np.int64)
    return {name: _balanced_accuracy(_cells(rows, name, spec), codes) for name in spec.data.features}


def _scores(rows: pa.Table, spec: ModelSpec, outcome: Floats, score: _Score) -> dict[str, float]:
    scores = {}
    for name in spec.data.features:
        if name in spec.data.categoricals:
            scores[name] = score(_mean_outcome(_category_codes(rows, name), outcome), outcome)
        else:
            feature = _numbers(rows, name)
            missing = np.isnan(feature)
            scores[name] = max(
                score(feature[~missing], outcome[~missing]), score(missing.astype(np.float64), outcome)
            )
    return scores


def _numbers(rows: pa.Table, name: str) -> Floats:
    return numbers(name, rows.column(name).to_pandas().to_numpy(dtype=object, na_value=None))


def _category_codes(rows: pa.Table, name: str) -> Codes:
    values = categories(list(rows.column(name).to_pandas()))
    return pd.factorize(pd.Series(values, dtype=object), use_na_sentinel=False)[0].astype(np.int64)


def _cells(rows: pa.Table, name: str, spec: ModelSpec) -> Codes:
    """Cell of each row: its category, or one of ``_CELLS`` with about as many rows of a number, and one for missing."""
    if name in spec.data.categoricals:
        return _category_codes(rows, name)
    feature = _numbers(rows, name)
    known = feature[~np.isnan(feature)]
    if not known.size:
        return np.zeros(len(feature), dtype=np.int64)
    values = np.unique(known)
    bounds = (
        values
        if values.size <= _CELLS
        else np.unique(np.quantile(known, np.linspace(0, 1, _CELLS + 1)[1:-1]))
    )
    return np.where(
        np.isnan(feature), bounds.size + 1, np.searchsorted(bounds, feature, side="right")
    ).astype(np.int64)


def _balanced_accuracy(cells: Codes, classes: Codes) -> float:
    """Mean over the classes of the share of rows whose class is the one most in excess among the other half's like values."""
    halves = np.arange(len(cells)) % 2
    count, width = int(classes.max()) + 1, int(cells.max()) + 1
    told = np.empty(len(cells), dtype=np.int64)
    for half in (0, 1):
        other = halves != half
        counts = np.bincount(cells[other] * count + classes[other], minlength=width * count).reshape(
            width, count
        )
        totals = counts.sum(axis=0)
        weighted = counts / np.maximum(totals, 1)
        told[~other] = np.where(counts.sum(axis=1) > 0, weighted.argmax(axis=1), -1)[cells[~other]]
    right = np.bincount(classes, told == classes, minlength=count)
    rows_of = np.bincount(classes, minlength=count)
    return float((right[rows_of > 0] / rows_of[rows_of > 0]).mean())


def _mean_outcome(codes: npt.NDArray[np.int64], outcome: Floats) -> Floats:
    halves = np.arange(len(codes)) % 2
    means_of_rows = np.empty(len(codes))
    for half in (0, 1):
        other = halves != half
        sums = np.bincount(codes[other], outcome[other], minlength=codes.max() + 1)
        counts = np.bincount(codes[other], minlength=codes.max() + 1)
        overall = outcome[other].mean() if other.any() else 0.0
        means = np.where(counts > 0, sums / np.maximum(counts, 1), overall)
        means_of_rows[~other] = means[codes[~other]]
    return means_of_rows


def _auc_either_way(feature: Floats, outcome: Floats) -> float:
    from scipy.stats import rankdata

    positives = int(outcome.sum())
    negatives = len(outcome) - positives
    if not positives or not negatives:
        return 0.5
    ranks = rankdata(feature)[outcome == 1].sum()
    auc = float((ranks - positives * (positives + 1) / 2) / (positives * negatives))
    return max(auc, 1 - auc)


def _spearman(feature: Floats, outcome: Floats) -> float:
    from scipy.stats import rankdata

    if len(feature) < 3 or np.ptp(feature) == 0 or np.ptp(outcome) == 0:
        return 0.0
    return float(abs(np.corrcoef(rankdata(feature), rankdata(outcome))[0, 1]))
