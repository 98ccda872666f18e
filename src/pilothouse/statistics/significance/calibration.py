"""What each column's statistics do while nothing has changed, learnt from the reference's own days.

Two comparisons are learnt (``null_windows``): a window with the rest of the reference, and a window with the days just
before it. A statistic is put on the scale (v/(1 − v))^0.4 (v^0.4 for Wasserstein, which has no upper bound): near to a square
root, which makes distances near to normal, whether chance or wandering moves them. Of a half-normal distance (a level that
wanders) the 0.999 quantile so found is 24 % too large, where the logarithm makes it five times too large; of
Kolmogorov–Smirnov's D under chance it is 4 % too small. On that scale the values of m independent windows are taken as normal
with unknown mean and deviation, so that a new window's value follows Student's t with m − 1 degrees, scaled by √(1 + 1/m).
This parametric tail is needed: ninety days are thirteen weeks, and no empirical quantile of thirteen values reaches one in a
thousand. Few weeks widen it by themselves. It is kept for windows of fewer rows too, where chance alone makes statistics large.

A *steady* column, whose windows are no farther apart than samples of its rows would be, is judged by the law of chance
(``chance``): nothing has to be learnt from thirteen weeks. Between that and wandering the deviation is moderated (Smyth 2004,
Statistical Applications in Genetics and Molecular Biology 3:3): the windows' own and that of chance, each with its degrees of
freedom. Chance has PRIOR of them for windows that lie as chance has them, and the fewer the farther apart they lie.
"""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from pilothouse.statistics.arrays import Floats
from pilothouse.statistics.distances.ranks import rank_scores
from pilothouse.statistics.profiles.profile import Histogram, Profile
from pilothouse.statistics.profiles.specification import (
    CategoricalColumn,
    Cells,
    Column,
    ProfileSpecification,
)
from pilothouse.statistics.significance import null_windows
from pilothouse.statistics.significance.overdispersion import (
    SHARE,
    Wander,
    wander_of_categories,
    wander_of_numbers,
)
from pilothouse.statistics.significance.sampling_null import (
    Chance,
    at_rows,
    chance_of,
    chance_of_share,
    law_of,
    rank_laws,
    rank_laws_of_windows,
)

EFFECT = {
    "ks": 0.05,
    "wasserstein": 0.1,
    "within": 0.1,
    "higher": 0.1,
    "lower": 0.1,
    "wider": 0.1,
    "narrower": 0.1,
    "outside": 0.01,
    "share": 1.0,
    "js": 0.05,
    "missing": 0.02,
    "unseen": 0.01,
}
"""A smaller drift is not worth a word, however certain. Wasserstein is in deviations (Evidently's bound), and so is a level by
ranks; missing and unseen are rises of the share of rows."""
_POWER = 0.4
"""Between the square root, which suits wandering, and the logarithm, which suits chance."""
_LEAST_DEVIATION = 0.02
_LEAST_VARIATION = 0.08
"""The least deviation on the root scale that a reference may claim for itself, also as a share of its mean: chance alone
gives KS 0.15 of its mean."""
_FEWEST_WORTH = 4.0
PRIOR = 60.0
"""Degrees of freedom of chance's deviation where the windows are as far apart as chance has them."""
_FADES = 8
"""How fast chance's degrees of freedom go with the distance of the windows over that of samples."""
WANDERS = 1.2
"""Windows so many times as far apart as chance has them wander: they are compared with the recent past too."""
FORM = 5
"""The form of a stored calibration; part of the key under which one is kept."""
FEWEST_ROWS = 5
"""Fewer usable values than this are no sample."""


@dataclass(frozen=True, slots=True)
class Null:
    """One statistic of one column while nothing has changed: mean, deviation (both on the root scale) and degrees of
    ``freedom`` of the deviation by rows (increasing; the last entry also stands for more rows), how many ``windows`` worth of
    evidence lie behind them, and whether windows were compared with the ``recent`` past or with the reference. ``chance`` is
    the law of a steady column's statistic and ``wander`` that of a part of a column that wanders; either stands for all of
    them (and they are empty where it needs none)."""

    statistic: str
    rows: tuple[int, ...]
    mean: tuple[float, ...]
    deviation: tuple[float, ...]
    freedom: tuple[float, ...]
    windows: float
    recent: bool = False
    chance: Chance | None = None
    wander: Wander | None = None

    def p_value(self, value: float, rows: int) -> float:
        """How probable a value this large is in a window of ``rows`` rows while nothing has changed."""
        law = self.chance or self.wander
        if law is not None:
            return law.p_value(self.statistic, value, rows)
        from scipy.special import stdtr

        mean, deviation, freedom = self._at(rows)
        return float(stdtr(freedom, (mean - _root(self.statistic, value)) / deviation))

    def value_at(self, p_value: float, rows: int) -> float:
        """The value that has this p-value."""
        law = self.chance or self.wander
        if law is not None:
            return law.value_at(self.statistic, p_value, rows)
        from scipy.special import stdtrit

        mean, deviation, freedom = self._at(rows)
        return _unrooted(self.statistic, mean - float(stdtrit(freedom, p_value)) * deviation)

    def usual(self, rows: int) -> float:
        """The value in the middle of those that windows of ``rows`` rows have while nothing has changed."""
        if not self.rows:
            return self.value_at(0.5, rows)
        return _unrooted(self.statistic, self._at(rows)[0])

    @property
    def wanders(self) -> bool:
        """The reference's windows are farther apart than chance has them."""
        return bool(self.freedom) and self.freedom[-1] - max(self.windows - 1, 1.0) < PRIOR * WANDERS**-_FADES

    def _at(self, rows: int) -> tuple[float, float, float]:
        mean, deviation, freedom = (
            at_rows(self.rows, rows, values) for values in (self.mean, self.deviation, self.freedom)
        )
        return mean, deviation * math.sqrt(1 + 1 / self.windows), freedom


@dataclass(frozen=True, slots=True)
class Calibration:
    """Each column's nulls by name (the score as "score"): of its drift statistics, of ``missing``, and for categories of
    ``unseen``. A column that is not in it had too few days or values."""

    window_days: int
    columns: dict[str, tuple[Null, ...]] = field(default_factory=dict)


def calibrate(
    specification: ProfileSpecification,
    daily: Sequence[Profile],
    window_days: int,
    *,
    features: Collection[str] | None = None,
    score_days: int | None = None,
    seed: int = 0,
) -> Calibration:
    """Learn from the reference's days (in order, one profile each; days without rows are left out) what windows of
    ``window_days`` days do by themselves. ``features``: the columns to learn, all by default. ``score_days``: the score's real
    reference is only that many days long (the hold-out's), and so its windows are compared with as few. Deterministic.
    """
    days = null_windows.dense_days(specification, [day for day in daily if day.rows])
    count = len(days.counts)
    if count < 2:
        return Calibration(window_days)
    window = min(window_days, max(1, count // 2))
    whole = null_windows.null_windows(count, window, None, seed)
    short = null_windows.null_windows(count, window, score_days, seed) if score_days else whole
    recent = null_windows.recent_windows(count, window)
    columns: dict[str, tuple[Null, ...]] = {}
    for i, column in enumerate(specification.columns):
        if features is None or column.name in features:
            windows = short if column is specification.score and len(short.members) else whole
            cells = specification.layout[column.name]
            against_reference = _drift_nulls(
                column, cells, days, windows, seed + i, recent=False, whole_reference=windows is whole
            )
            wanders = any(null.wanders for null in against_reference)
            against_recent = (
                _drift_nulls(column, cells, days, recent, seed + i, recent=True) if wanders else ()
            )
            columns[column.name] = (
                *against_reference,
                *against_recent,
                *_quality_nulls(column, cells, days, windows),
            )
    return Calibration(window_days, {name: nulls for name, nulls in columns.items() if nulls})


def _drift_nulls(
    column: Column,
    cells: Cells,
    days: null_windows.Days,
    windows: null_windows.Windows,
    seed: int,
    *,
    recent: bool,
    whole_reference: bool = True,
) -> tuple[Null, ...]:
    held = days.counts[:, cells.start : cells.missing].sum(axis=1)
    rows = int(np.median(null_windows.sums(windows.members, held))) if len(windows.members) else 0
    if rows < FEWEST_ROWS:
        return ()
    sizes = []
    size = null_windows.SMALLEST_SAMPLE
    while size < 0.7 * rows:
        sizes.append(size)
        size *= 3
    values = null_windows.null_values(column, cells, days, windows, [*sizes, 0], seed, thin_both=recent)
    part = slice(cells.start, cells.missing)
    whole = Histogram(days.counts[:, part].sum(axis=0), days.positions[:, part].sum(axis=0), 0, 0.0, 0.0)
    compared = int(np.median(null_windows.sums(windows.others, held)))
    if recent:
        chance = [
            null_windows.chance_values(column, whole, [size], seed, null_windows.RECENT * size)[0]
            for size in (*sizes, rows)
        ]
    else:
        chance = null_windows.chance_values(column, whole, [*sizes, rows], seed, compared)
    # Of m windows that resemble their neighbours with ρ, as many as m(1 − ρ)/(1 + ρ) independent ones are worth as much.
    alike = 0.0 if recent else null_windows.likeness(column, cells, days, windows.length, seed)
    worth = max(windows.independent * (1 - alike) / (1 + alike), min(windows.independent, _FEWEST_WORTH))
    # It is the column that wanders, not a statistic of it: the one that shows it most speaks for all.
    apart = np.max(
        [
            [_apart(name, v, drawn[name], worth) for v, drawn in zip(of_sizes, chance, strict=True)]
            for name, of_sizes in values.items()
        ],
        axis=0,
    )
    nulls = tuple(
        _null(name, (*sizes, rows), of_sizes, worth, [drawn[name] for drawn in chance], apart, recent=recent)
        for name, of_sizes in values.items()
    )
    if recent or windows.independent <= null_windows.FEWEST:
        return nulls
    against = whole.present if whole_reference else compared
    laws = [
        chance_of(
            name,
            of_sizes[-1],
            windows.independent,
            alike,
            [drawn[name] for drawn in chance],
            (*sizes, rows),
            compared,
            against,
        )
        for name, of_sizes in values.items()
    ]
    sides = null_windows.sides_of(cells, days, windows)
    if all(law is not None for law in laws):
        steady = [replace(null, chance=law) for null, law in zip(nulls, laws, strict=True)]
        if isinstance(column, CategoricalColumn):
            return tuple(steady)
        ranks = rank_laws_of_windows(sides, windows.independent, against)
        if ranks is not None:
            return _with_ranks(steady, ranks)
    return *nulls, *_wander_nulls(column, sides, worth, against)


def _wander_nulls(column: Column, sides: null_windows.Sides, worth: float, against: int) -> list[Null]:
    """Nulls of the parts of a column that wanders."""
    if isinstance(column, CategoricalColumn):
        of_shares = wander_of_categories(sides, worth, against)
        parts = {SHARE: of_shares} if of_shares is not None else {}
    else:
        parts = wander_of_numbers(sides, worth, against)
    return [Null(name, (), (), (), (), worth, wander=part) for name, part in parts.items()]


def _with_ranks(nulls: Sequence[Null], ranks: Mapping[str, Chance]) -> tuple[Null, ...]:
    """Nulls by chance alone. What goes beyond the reference's range is told by ranks, so that Wasserstein's distance is taken
    within it, where its law is known: that of samples of the reference, which lie there."""
    worth = nulls[0].windows
    own = [replace(n, statistic="within") if n.statistic == "wasserstein" else n for n in nulls]
    return (*own, *(Null(name, (), (), (), (), worth, chance=law) for name, law in ranks.items()))


def _quality_nulls(
    column: Column, cells: Cells, days: null_windows.Days, windows: null_windows.Windows
) -> tuple[Null, ...]:
    current = null_windows.sums(windows.members, days.counts[:, cells.start : cells.missing + 1])
    rows = np.maximum(current.sum(axis=1), 1)
    shares = {"missing": current[:, -1] / rows}
    if isinstance(column, CategoricalColumn):
        known = null_windows.sums(windows.others, days.counts[:, cells.start : cells.missing]) > 0
        shares["unseen"] = (current[:, :-1] * ~known).sum(axis=1) / rows
    size = (max(int(np.median(rows)), 1),)
    found = []
    for name, share in shares.items():
        drawn = np.random.default_rng(0).binomial(
            size[0], float(share.mean()) if len(share) else 0.0, null_windows.DRAWS
        )
        apart = _apart(name, share, drawn / size[0], windows.independent)
        null = _null(name, size, [share], windows.independent, [drawn / size[0]], [apart])
        if name == "missing" and windows.independent > null_windows.FEWEST:
            null = replace(null, chance=chance_of_share(share, rows, windows.independent))
        found.append(null)
    return tuple(found)


def nulls_by_chance(column: Column, reference: Histogram, rows: int, seed: int = 0) -> tuple[Null, ...]:
    """Nulls of samples of ``rows`` rows out of a reference without days: chance alone, as classical tests have it."""
    if reference.present < FEWEST_ROWS or rows < FEWEST_ROWS:
        return ()
    (values,) = null_windows.chance_values(column, reference, [rows], seed)
    held = reference.present
    nulls = [
        replace(
            _null(name, (rows,), [drawn], float(null_windows.DRAWS), [drawn], [1.0]),
            chance=law_of(name, [drawn], [rows], held, held),
        )
        for name, drawn in values.items()
    ]
    if isinstance(column, CategoricalColumn) or any(null.chance is None for null in nulls):
        return tuple(nulls)
    return _with_ranks(nulls, rank_laws(rank_scores(reference.counts), reference.counts, held))


def _apart(statistic: str, windows: Floats, chance: Floats, worth: float) -> float:
    """How many times farther apart the windows lie than samples do, in mean or deviation; 1 where they do not."""
    (mean, deviation), (by_chance, spread) = (_moments(statistic, values) for values in (windows, chance))
    own = max(worth - 1, 1.0)
    # The deviation of m windows is known to some 1/√(2m): it counts as wandering where it is beyond 1.5 of those.
    allowed = (1 + 1.5 / math.sqrt(2 * own)) / math.sqrt(1 + 1 / own)
    return max(mean / max(by_chance, 1e-9), deviation / max(spread, 1e-9) / allowed, 1.0)


def _null(
    statistic: str,
    rows: tuple[int, ...],
    values: Sequence[Floats],
    windows: float,
    chance: Sequence[Floats],
    apart: Sequence[float],
    *,
    recent: bool = False,
) -> Null:
    """``values`` of the windows by rows, and of ``chance`` alone; ``apart`` as ``_apart`` says."""
    means, deviations, freedoms = [], [], []
    own = max(windows - 1, 1.0)
    for of_size, drawn, ratio in zip(values, chance, apart, strict=True):
        mean, deviation = _moments(statistic, of_size)
        deviation *= math.sqrt(1 + 1 / own)  # windows that overlap are no more than so many
        by_chance, spread = _moments(statistic, drawn)
        prior, expected = PRIOR * ratio**-_FADES, spread * mean / max(by_chance, 1e-9)
        pooled = math.sqrt((own * deviation**2 + prior * expected**2) / (own + prior))
        means.append(mean)
        least = (
            0.0 if statistic in ("missing", "unseen") else _LEAST_VARIATION * mean
        )  # a share may well be steady
        deviations.append(max(pooled, _LEAST_DEVIATION, least))
        freedoms.append(float(own + prior))
    return Null(statistic, rows, tuple(means), tuple(deviations), tuple(freedoms), windows, recent)


def _moments(statistic: str, values: Floats) -> tuple[float, float]:
    found = values[np.isfinite(values)]
    if not found.size:
        return 0.0, 0.0
    roots = _roots(statistic, found)
    return float(roots.mean()), float(roots.std())


def _root(statistic: str, value: float) -> float:
    return float(_roots(statistic, np.float64(value)))


def _roots(statistic: str, values: Any) -> Any:
    values = np.maximum(values, 0.0)
    if statistic == "wasserstein":
        return np.power(values, _POWER)
    values = np.minimum(values, 1 - 1e-6)
    return np.power(values / (1 - values), _POWER)


def _unrooted(statistic: str, root: float) -> float:
    odds = math.pow(min(max(root, 0.0), 1e100), 1 / _POWER)
    return odds if statistic == "wasserstein" else odds / (1 + odds)
