"""Multivariate drift by a domain classifier: can a model tell the rows of a window from those of the reference?

An AUROC of 0.5 means that it cannot, whatever the single columns show; it finds a flipped correlation, which no single
column shows. Two things keep the estimate unbiased. Folds are blocks of time: rows of one day share their weather, and a
classifier that has seen other rows of the held-out day would recognise the day. And the AUROC is not compared with 0.5
but with what the same procedure yields for windows of the reference against the rest of it: any week differs from the
year around it.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from sklearn.ensemble import HistGradientBoostingClassifier

from pilothouse.domain.errors import InvalidInputError
from pilothouse.domain.formats.time_units import DAY_US
from pilothouse.domain.monitoring.findings import GiveAway, MultivariateFinding
from pilothouse.inference.columns import InputColumns
from pilothouse.statistics.performance import intervals, ranking
from pilothouse.statistics.significance.block_null import BlockNull, block_null
from pilothouse.statistics.significance.null_windows import null_windows

Matrix = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

FOLDS = 4
"""Parts that are held out in turn."""
MOST_WINDOW_ROWS, MOST_REFERENCE_ROWS = 2_000, 4_000
"""Rows of the window, and of the reference, that a classifier is fitted on at most."""
NULL_WINDOWS = 12
"""Windows of the reference that are compared at most: the cost does not grow with the reference."""
FEWEST_ROWS = 100
"""Rows on either side below which nothing is tested."""
EFFECT = 0.55
"""Least AUROC that counts, however significant."""
MOST_CATEGORIES = 120
"""Codes of one categorical feature, the shared last one included."""
SHUFFLES = 2
"""Permutations of a feature in each fold."""


@dataclass(frozen=True, slots=True)
class Side:
    """Rows of one side by time: ``values`` float64[rows, features] (categories as codes, NaN where missing), ``times``
    int64[rows] in µs."""

    values: Matrix
    times: Ints

    @property
    def count(self) -> int:
        return len(self.times)

    def where(self, rows: npt.NDArray[np.bool_] | Ints) -> "Side":
        """Rows selected by a mask or by numbers."""
        return Side(self.values[rows], self.times[rows])


def encode(
    names: Sequence[str], first: InputColumns, second: InputColumns
) -> tuple[Matrix, Matrix, list[bool]]:
    """Features of both sides in the order of ``names`` as numbers, float64[rows, features] each, and which of them are
    categories.

    A category's code is its rank by frequency in ``first``; rarer ones than MOST_CATEGORIES share the last code.
    """
    columns: list[tuple[Matrix, Matrix]] = []
    categorical = []
    for name in names:
        if name in first.numeric:
            columns.append((first.numeric[name], second.numeric[name]))
            categorical.append(False)
            continue
        texts = first.categorical[name], second.categorical[name]
        seen, counts = np.unique([t for t in texts[0] if t is not None], return_counts=True)
        ranked = [str(seen[i]) for i in np.lexsort((seen, -counts))][: MOST_CATEGORIES - 1]
        new = sorted({t for t in texts[1] if t is not None} - set(ranked))[
            : max(0, MOST_CATEGORIES - 1 - len(ranked))
        ]
        codes = {text: float(i) for i, text in enumerate([*ranked, *new])}
        other = float(len(codes))
        columns.append(_codes(texts, codes, other))
        categorical.append(True)
    first_values, second_values = (
        np.column_stack([column[side] for column in columns]) if columns else np.empty((0, 0))
        for side in (0, 1)
    )
    return first_values, second_values, categorical


def _codes(
    texts: tuple[Sequence[str | None], Sequence[str | None]], codes: dict[str, float], other: float
) -> tuple[Matrix, Matrix]:
    first, second = (
        np.array([math.nan if t is None else codes.get(t, other) for t in side], np.float64) for side in texts
    )
    return first, second


@dataclass(frozen=True, slots=True)
class Learnt:
    """Null distribution from windows of the reference against the rest of it, for so many rows on either side."""

    null: BlockNull | None
    window_rows: int
    reference_rows: int
    windows: int


def learn(categorical: Sequence[bool], reference: Side, window: Side, *, length_us: int, seed: int) -> Learnt:
    """Null distribution of the AUROC from windows of the reference, ``length_us`` long and with as many rows as
    ``window``, against the rest of the reference. Deterministic for a ``seed``."""
    generator = np.random.default_rng(seed)
    unit = max(1, min(DAY_US, length_us))
    blocks = np.unique(reference.times // unit, return_inverse=True)[1]
    # a window long after the reference is compared with windows as far from theirs
    away = max(0, int(window.times.min() - reference.times.max()) // unit)
    pairs, independent = _null_pairs(blocks, max(1, round(length_us / unit)), away, seed)
    inside, outside = (
        ([int(mask.sum()) for mask in masks] for masks in zip(*pairs, strict=True)) if pairs else ([], [])
    )
    window_rows = min([window.count, MOST_WINDOW_ROWS, *([int(np.median(inside))] if inside else [])])
    reference_rows = min(
        [reference.count, MOST_REFERENCE_ROWS, *([int(np.median(outside))] if outside else [])]
    )
    values = []
    for members, others in pairs:
        first = _sample(reference.where(others), reference_rows, generator)
        second = _sample(reference.where(members), window_rows, generator)
        auc = _Folds(first, second, categorical, length_us, seed).auc
        values += [auc] if math.isfinite(auc) else []
    return Learnt(block_null(values, independent), window_rows, reference_rows, len(values))


def separate(
    names: Sequence[str],
    categorical: Sequence[bool],
    reference: Side,
    window: Side,
    *,
    false_alarm_rate: float,
    length_us: int,
    seed: int,
    learnt: Learnt | None = None,
) -> MultivariateFinding | None:
    """Separation of a window of ``length_us`` from the reference; None where either has fewer than FEWEST_ROWS rows.
    Raises InvalidInputError where the reference lies in too short a time to hold a part of it out.

    Deterministic for a ``seed``. It fits at most NULL_WINDOWS + 1 times FOLDS classifiers of MOST_WINDOW_ROWS +
    MOST_REFERENCE_ROWS rows, and only FOLDS where a null distribution is handed in that was ``learnt`` for a window of as
    many rows.
    """
    if min(window.count, reference.count) < FEWEST_ROWS or not names:
        return None
    known = learnt or learn(categorical, reference, window, length_us=length_us, seed=seed)
    generator = np.random.default_rng(seed)
    sides = _sample(reference, known.reference_rows, generator), _sample(window, known.window_rows, generator)
    folds = _Folds(*sides, categorical, length_us, seed)
    if not math.isfinite(folds.auc):
        raise InvalidInputError(
            f"domain_classifier: the training rows lie within a {FOLDS}th of the window's length of each other; expected "
            "rows of a longer time, or a shorter monitoring.window"
        )
    low, high = folds.interval()
    null = known.null
    threshold = max(null.value_at(false_alarm_rate), EFFECT) if null else None
    return MultivariateFinding(
        auc=folds.auc,
        low=low,
        high=high,
        usual=null.usual if null else None,
        threshold=threshold,
        p_value=null.p_value(folds.auc) if null else None,
        features=tuple(folds.give_away(names, generator)),
        window_rows=known.window_rows,
        reference_rows=known.reference_rows,
        null_windows=known.windows,
        significant=threshold is not None and folds.auc >= threshold and low > 0.5,
    )


def _null_pairs(
    blocks: Ints, length: int, away: int, seed: int
) -> tuple[list[tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]], float]:
    """Masks (rows of a window of the reference, rows that it is compared with), and how many independent windows they are
    worth.

    The real window lies ``away`` blocks behind the reference: days as near to a window are left out (an eighth of the
    reference at most), for they resemble it more than the real reference can.
    """
    count = int(blocks.max()) + 1
    if count < 4:
        return [], 0.0
    length = min(length, count // 2)
    windows = null_windows(count, length, None, seed)
    chosen = np.unique(np.linspace(0, len(windows.members) - 1, NULL_WINDOWS).round().astype(np.int64))
    gap = min(away, count // 8)
    pairs = []
    for index in chosen:
        is_member = windows.members[index] > 0
        near = np.convolve(is_member, np.ones(2 * gap + 1), "same") > 0
        members, others = is_member[blocks], ~near[blocks]
        if members.sum() >= FEWEST_ROWS and others.sum() >= FEWEST_ROWS:
            pairs.append((members, others))
    return pairs, windows.independent


def _sample(side: Side, rows: int, generator: np.random.Generator) -> Side:
    """Random sample of at most ``rows`` rows, in the order of time."""
    if side.count > rows:
        side = side.where(np.sort(generator.choice(side.count, rows, replace=False)))
    return side.where(np.argsort(side.times, kind="stable"))


class _Folds:
    """Classifiers fitted on all blocks of time but those held out, and their ranking of the rows held out."""

    def __init__(
        self, reference: Side, window: Side, categorical: Sequence[bool], length_us: int, seed: int
    ) -> None:
        values = np.concatenate([reference.values, window.values])
        labels = np.repeat([0, 1], [reference.count, window.count])
        block = max(1, length_us // FOLDS)
        fold_of = np.concatenate(
            [
                (reference.times - reference.times[0]) // block % FOLDS,
                np.arange(window.count) * FOLDS // max(window.count, 1),
            ]
        )
        self._values, self._labels = values, labels
        self._parts = []
        for fold in range(FOLDS):
            is_out = fold_of == fold
            if len(np.unique(labels[is_out])) < 2 or len(np.unique(labels[~is_out])) < 2:
                continue
            self._parts.append((is_out, _fit(values[~is_out], labels[~is_out], categorical, seed)))
        self._ranked = [
            _auc(labels[is_out], self._scores(model, values[is_out])) for is_out, model in self._parts
        ]
        self.auc = float(np.mean([value for value, _ in self._ranked])) if self._ranked else math.nan

    def interval(self) -> tuple[float, float]:
        """95 % interval on the logit scale: DeLong's error over the folds, or the spread of the folds where that is wider;
        one-sided where the ranking is perfect. From 0 to 1 where the rows held out give no error."""
        values, errors = (np.array(column) for column in zip(*self._ranked, strict=True))
        if self.auc in (0.0, 1.0):
            smaller = sum(int(np.bincount(self._labels[is_out]).min()) for is_out, _ in self._parts)
            return intervals.auc_interval(self.auc, 0.0, smaller, 0.95)
        delong = float(np.sqrt((errors**2).sum()) / len(errors)) * intervals.quantile(0.95)
        folds = 0.0
        if len(values) > 1:
            folds = float(values.std(ddof=1) / math.sqrt(len(values))) * intervals.quantile(0.95, len(values))
        low, high = intervals.on_logit_scale(self.auc, max(delong, folds), 1.0)
        return (low, high) if math.isfinite(low) else (0.0, 1.0)

    def give_away(self, names: Sequence[str], generator: np.random.Generator) -> list[GiveAway]:
        """Contribution of each feature, largest drop first."""
        contributions = []
        for i, name in enumerate(names):
            drops = []
            for (is_out, model), (auc, _) in zip(self._parts, self._ranked, strict=True):
                for _ in range(SHUFFLES):
                    values = self._values[is_out].copy()
                    values[:, i] = generator.permutation(values[:, i])
                    drops.append(auc - _auc(self._labels[is_out], self._scores(model, values))[0])
            drop = float(np.mean(drops)) if drops else 0.0
            contributions.append(GiveAway(feature=name, drop=drop, alone=self._alone(i)))
        return sorted(contributions, key=lambda feature: (-feature.drop, feature.feature))

    def _alone(self, i: int) -> float:
        """AUROC of the column by itself, in whichever direction is higher; missing values are ranked last."""
        column = self._values[:, i]
        filled = np.where(np.isnan(column), np.inf, column)
        value, _ = _auc(self._labels, filled)
        return max(value, 1 - value)

    @staticmethod
    def _scores(model: object, values: Matrix) -> Matrix:
        scores: Matrix = model.decision_function(values)  # type: ignore[attr-defined]
        return scores


def _fit(values: Matrix, labels: Ints, categorical: Sequence[bool], seed: int) -> object:
    model = HistGradientBoostingClassifier(
        max_iter=40,
        learning_rate=0.15,
        max_leaf_nodes=12,
        min_samples_leaf=min(30, max(2, len(labels) // 20)),
        l2_regularization=1.0,
        categorical_features=list(categorical) if any(categorical) else None,
        early_stopping=False,
        random_state=seed,
    )
    return model.fit(values, labels)


def _auc(labels: npt.NDArray[np.int64], scores: Matrix) -> tuple[float, float]:
    """AUROC with DeLong's standard error; ties count half."""
    _, ranks = np.unique(scores, return_inverse=True)
    counts = [np.bincount(ranks[labels == side], minlength=int(ranks.max()) + 1) for side in (0, 1)]
    return ranking.auc(counts[0].astype(np.int64), counts[1].astype(np.int64))
