"""Null distributions of each column's statistics, learnt from the reference's own days.

Two comparisons are learnt (``null_windows``): a window with the rest of the reference, and a window with the days just
before it. A statistic is put on the scale (v/(1 − v))^0.4 (v^0.4 for Wasserstein, which has no upper bound): near to a
square root, on which distances are near to normal, whether sampling or overdispersion moves them. Of a half-normal distance
(an overdispersed location) the 0.999 quantile so found is 24 % too large, where the logarithm makes it five times too large;
of Kolmogorov–Smirnov's D under sampling it is 4 % too small. On that scale the values of m independent windows are taken as
normal with unknown mean and deviation, so that a new window's value follows Student's t with m − 1 degrees, scaled by √(1 +
1/m). This parametric tail is needed: ninety days are thirteen weeks, and no empirical quantile of thirteen values reaches
one in a thousand.

A *stationary* column, whose windows are no farther apart than samples of its rows would be, is judged by the sampling null
(``sampling_null``): nothing has to be learnt from thirteen weeks. Between that and an *overdispersed* column the deviation
is moderated (Smyth 2004, Statistical Applications in Genetics and Molecular Biology 3:3): the windows' own and that of
sampling are pooled, each with its degrees of freedom. Sampling has PRIOR of them where windows lie as sampling has them,
fewer the farther apart.
"""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from pilothouse.statistics.arrays import Floats
from pilothouse.statistics.distances.ranks import rank_scores
from pilothouse.statistics.profiles.profile import Histogram, Profile
from pilothouse.statistics.profiles.profile_storage import sizes_of
from pilothouse.statistics.profiles.specification import CategoricalColumn, Column, ProfileSpecification
from pilothouse.statistics.significance import null_windows
from pilothouse.statistics.significance.daily_counts import Days, days_of_columns, ends_of, sums
from pilothouse.statistics.significance.overdispersion import (
    SHARE,
    Overdispersion,
    overdispersion_of_categories,
    overdispersion_of_numbers,
)
from pilothouse.statistics.significance.sampling_null import (
    SamplingNull,
    at_rows,
    law_of,
    rank_laws,
    rank_laws_of_windows,
    sampling_null_of,
    sampling_null_of_share,
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
"""Least drift that counts, however significant. Wasserstein is in standard deviations (Evidently's bound), and so is a shift
by ranks; missing and unseen are rises of the share of rows."""
_POWER = 0.4
"""Exponent of the root scale: the square root would suit overdispersion, the logarithm sampling."""
_LEAST_DEVIATION = 0.02
"""Least deviation on the root scale that a reference may claim for itself."""
_LEAST_VARIATION = 0.08
"""Least deviation on the root scale as a share of its mean: sampling alone gives KS 0.15 of its mean."""
_FEWEST_WORTH = 4.0
"""Independent windows' worth of evidence that neighbours' resemblance leaves at least."""
PRIOR = 60.0
"""Degrees of freedom of the sampling null's deviation where the windows are as far apart as sampling has them."""
_FADES = 8
"""Exponent by which the sampling null's degrees of freedom fall with the distance of the windows over that of samples."""
OVERDISPERSED = 1.2
"""Distance of the windows over that of samples above which a column is overdispersed, and compared with the recent past too."""
FORM = 5
"""Version of a stored calibration's form; part of the key under which one is kept."""
FEWEST_ROWS = 5
"""Usable values below which nothing is tested."""


@dataclass(frozen=True, slots=True)
class Null:
    """Null distribution of one statistic of one column: mean, deviation (both on the root scale) and degrees of ``freedom``
    of the deviation by ``rows`` of a window (increasing; the last entry also stands for more rows).

    ``windows`` is how many independent windows' worth of evidence lie behind them; ``recent`` says that windows were
    compared with the recent past in place of the reference. ``sampling`` is the sampling null of a stationary column's
    statistic and ``overdispersion`` the law of a part of an overdispersed column; either replaces the tuples, which may then be
    empty.
    """

    statistic: str
    rows: tuple[int, ...]
    mean: tuple[float, ...]
    deviation: tuple[float, ...]
    freedom: tuple[float, ...]
    windows: float
    recent: bool = False
    sampling: SamplingNull | None = None
    overdispersion: Overdispersion | None = None

    def p_value(self, value: float, rows: int) -> float:
        """Probability of a value this large or larger in a window of ``rows`` rows while nothing has changed: Student's t on
        the root scale, or the law of ``sampling`` or ``overdispersion``. NaN for NaN."""
        law = self.sampling or self.overdispersion
        if law is not None:
            return law.p_value(self.statistic, value, rows)
        from scipy.special import stdtr

        mean, deviation, freedom = self._at(rows)
        return float(stdtr(freedom, (mean - float(_roots(self.statistic, value))) / deviation))

    def value_at(self, p_value: float, rows: int) -> float:
        """Value that has this p-value in a window of ``rows`` rows; the inverse of ``p_value``, in the statistic's
        own unit."""
        law = self.sampling or self.overdispersion
        if law is not None:
            return law.value_at(self.statistic, p_value, rows)
        from scipy.special import stdtrit

        mean, deviation, freedom = self._at(rows)
        return _unrooted(self.statistic, mean - float(stdtrit(freedom, p_value)) * deviation)

    def usual(self, rows: int) -> float:
        """Median of the statistic over windows of ``rows`` rows while nothing has changed, in its own unit."""
        if not self.rows:
            return self.value_at(0.5, rows)
        return _unrooted(self.statistic, self._at(rows)[0])

    @property
    def overdispersed(self) -> bool:
        """True where the reference's windows are more than OVERDISPERSED times as far apart as sampling has them."""
        # freedom is that of the windows plus PRIOR·ratio^-_FADES: what is left beside the windows' tells the ratio
        return (
            bool(self.freedom)
            and self.freedom[-1] - max(self.windows - 1, 1.0) < PRIOR * OVERDISPERSED**-_FADES
        )

    def _at(self, rows: int) -> tuple[float, float, float]:
        mean, deviation, freedom = (
            at_rows(self.rows, rows, values) for values in (self.mean, self.deviation, self.freedom)
        )
        return mean, deviation * math.sqrt(1 + 1 / self.windows), freedom


@dataclass(frozen=True, slots=True)
class Calibration:
    """Null distributions of each column by name (the score as "score") for windows of ``window_days`` days: of its drift
    statistics, of ``missing``, and for categories of ``unseen``. A column that is not in it had too few days or values."""

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
    """Null distributions for windows of ``window_days`` days, learnt from the reference's days (in order, one profile each;
    days without rows are left out). Empty for fewer than two days; a window is at most half of the reference. Deterministic
    for a ``seed``.

    ``features`` are the columns to learn, all by default. ``score_days``: the score's real reference is only that many days
    long (the hold-out's), and so its windows are compared with as few.
    """
    count = sum(rows > 0 for rows in sizes_of(daily))
    if count < 2:
        return Calibration(window_days)
    window = min(window_days, max(1, count // 2))
    whole = null_windows.null_windows(count, window, None, seed)
    short = null_windows.null_windows(count, window, score_days, seed) if score_days else whole
    recent = null_windows.recent_windows(count, window)
    seeds = {column.name: seed + i for i, column in enumerate(specification.columns)}
    wanted = [c for c in specification.columns if features is None or c.name in features]
    compared = (whole, short, recent)
    ends = ends_of(count, window, [side for of in compared for side in (of.members, of.others) if len(side)])
    columns: dict[str, tuple[Null, ...]] = {}
    for column, days in days_of_columns(specification, daily, wanted, ends):
        windows = short if column is specification.score and len(short.members) else whole
        own_seed = seeds[column.name]
        against_reference = _drift_nulls(
            column, days, windows, own_seed, recent=False, whole_reference=windows is whole
        )
        overdispersed = any(null.overdispersed for null in against_reference)
        against_recent = _drift_nulls(column, days, recent, own_seed, recent=True) if overdispersed else ()
        columns[column.name] = (
            *against_reference,
            *against_recent,
            *_quality_nulls(column, days, windows),
        )
    return Calibration(window_days, {name: nulls for name, nulls in columns.items() if nulls})


def _drift_nulls(
    column: Column,
    days: Days,
    windows: null_windows.Windows,
    seed: int,
    *,
    recent: bool,
    whole_reference: bool = True,
) -> tuple[Null, ...]:
    """Nulls of a column's drift statistics; empty where the median window has fewer than FEWEST_ROWS values."""
    day_rows = days.rows
    rows = int(np.median(sums(windows.members, day_rows, days.ends))) if len(windows.members) else 0
    if rows < FEWEST_ROWS:
        return ()
    sizes = []
    size = null_windows.SMALLEST_SAMPLE
    # sizes grow by a factor of 3, between which a null is interpolated over the logarithm of the rows (``at_rows``)
    while size < 0.7 * rows:
        sizes.append(size)
        size *= 3
    values = null_windows.null_values(column, days, windows, [*sizes, 0], seed, thin_both=recent)
    whole = days.whole
    compared = int(np.median(sums(windows.others, day_rows, days.ends)))
    if recent:
        sampled = [
            null_windows.sampled_values(column, whole, [size], seed, null_windows.RECENT * size)[0]
            for size in (*sizes, rows)
        ]
    else:
        sampled = null_windows.sampled_values(column, whole, [*sizes, rows], seed, compared)
    # m windows with the autocorrelation ρ are worth m(1 − ρ)/(1 + ρ) independent ones (Bayley and Hammersley 1946).
    alike = 0.0 if recent else null_windows.likeness(column, days, windows.length, seed)
    worth = max(windows.independent * (1 - alike) / (1 + alike), min(windows.independent, _FEWEST_WORTH))
    # It is the column that is overdispersed, not a statistic of it: the one that shows it most counts for all.
    apart = np.max(
        [
            [_apart(name, v, drawn[name], worth) for v, drawn in zip(of_sizes, sampled, strict=True)]
            for name, of_sizes in values.items()
        ],
        axis=0,
    )
    nulls = tuple(
        _null(name, (*sizes, rows), of_sizes, worth, [drawn[name] for drawn in sampled], apart, recent=recent)
        for name, of_sizes in values.items()
    )
    if recent or windows.independent <= null_windows.FEWEST:
        return nulls
    against = whole.present if whole_reference else compared
    laws = [
        sampling_null_of(
            name,
            of_sizes[-1],
            windows.independent,
            alike,
            [drawn[name] for drawn in sampled],
            (*sizes, rows),
            compared,
            against,
        )
        for name, of_sizes in values.items()
    ]
    sides = null_windows.sides_of(days, windows)
    if all(law is not None for law in laws):
        stationary = [replace(null, sampling=law) for null, law in zip(nulls, laws, strict=True)]
        if isinstance(column, CategoricalColumn):
            return tuple(stationary)
        ranks = rank_laws_of_windows(sides, windows.independent, against)
        if ranks is not None:
            return _with_ranks(stationary, ranks)
    return *nulls, *_overdispersed_nulls(column, sides, worth, against)


def _overdispersed_nulls(column: Column, sides: null_windows.Sides, worth: float, against: int) -> list[Null]:
    """Nulls of the parts of an overdispersed column: its categories' shares, or its location and scale."""
    if isinstance(column, CategoricalColumn):
        of_shares = overdispersion_of_categories(sides, worth, against)
        parts = {SHARE: of_shares} if of_shares is not None else {}
    else:
        parts = overdispersion_of_numbers(sides, worth, against)
    return [Null(name, (), (), (), (), worth, overdispersion=part) for name, part in parts.items()]


def _with_ranks(nulls: Sequence[Null], ranks: Mapping[str, SamplingNull]) -> tuple[Null, ...]:
    """Nulls of a stationary column with those of its ranks, which tell what goes beyond the reference's range. So
    Wasserstein's distance is taken within it, where its null is known: that of samples of the reference, which lie there."""
    worth = nulls[0].windows
    own = [replace(n, statistic="within") if n.statistic == "wasserstein" else n for n in nulls]
    return (*own, *(Null(name, (), (), (), (), worth, sampling=law) for name, law in ranks.items()))


def _quality_nulls(column: Column, days: Days, windows: null_windows.Windows) -> tuple[Null, ...]:
    """Nulls of a column's missing share, and of its unseen categories."""
    current = sums(windows.members, days.counts, days.ends)
    rows = np.maximum(current.sum(axis=1), 1)
    shares = {"missing": current[:, -1] / rows}
    if isinstance(column, CategoricalColumn):
        known = sums(windows.others, days.counts[:, :-1], days.ends) > 0
        shares["unseen"] = (current[:, :-1] * ~known).sum(axis=1) / rows
    size = (max(int(np.median(rows)), 1),)
    nulls = []
    for name, share in shares.items():
        drawn = np.random.default_rng(0).binomial(
            size[0], float(share.mean()) if len(share) else 0.0, null_windows.DRAWS
        )
        apart = _apart(name, share, drawn / size[0], windows.independent)
        null = _null(name, size, [share], windows.independent, [drawn / size[0]], [apart])
        if name == "missing" and windows.independent > null_windows.FEWEST:
            null = replace(null, sampling=sampling_null_of_share(share, rows, windows.independent))
        nulls.append(null)
    return tuple(nulls)


def sampling_nulls(column: Column, reference: Histogram, rows: int, seed: int = 0) -> tuple[Null, ...]:
    """Sampling nulls of a column's statistics in windows of ``rows`` rows, for a reference without days to learn from, as in
    classical two-sample tests. Empty where either side has fewer than FEWEST_ROWS values. Deterministic for a ``seed``."""
    if reference.present < FEWEST_ROWS or rows < FEWEST_ROWS:
        return ()
    (values,) = null_windows.sampled_values(column, reference, [rows], seed)
    against = reference.present
    nulls = [
        replace(
            _null(name, (rows,), [drawn], float(null_windows.DRAWS), [drawn], [1.0]),
            sampling=law_of(name, [drawn], [rows], against, against),
        )
        for name, drawn in values.items()
    ]
    if isinstance(column, CategoricalColumn) or any(null.sampling is None for null in nulls):
        return tuple(nulls)
    return _with_ranks(nulls, rank_laws(rank_scores(reference.counts), reference.counts, against))


def _apart(statistic: str, windows: Floats, sampled: Floats, worth: float) -> float:
    """Ratio of the windows' distance to that of samples, in mean or deviation, whichever is larger; at least 1."""
    (mean, deviation), (of_samples, spread) = (_moments(statistic, values) for values in (windows, sampled))
    own = max(worth - 1, 1.0)
    # The deviation of m windows has a standard error of about 1/√(2m) of itself: only what exceeds 1.5 of those counts.
    allowed = (1 + 1.5 / math.sqrt(2 * own)) / math.sqrt(1 + 1 / own)
    return max(mean / max(of_samples, 1e-9), deviation / max(spread, 1e-9) / allowed, 1.0)


def _null(
    statistic: str,
    rows: tuple[int, ...],
    values: Sequence[Floats],
    windows: float,
    sampled: Sequence[Floats],
    apart: Sequence[float],
    *,
    recent: bool = False,
) -> Null:
    """Null of a statistic from its ``values`` on the windows by rows, and from those under sampling alone (``sampled``),
    whose variances are pooled by their degrees of freedom (Smyth 2004); ``apart`` is what ``_apart`` gives."""
    means, deviations, freedoms = [], [], []
    own = max(windows - 1, 1.0)
    for of_size, drawn, ratio in zip(values, sampled, apart, strict=True):
        mean, deviation = _moments(statistic, of_size)
        deviation *= math.sqrt(1 + 1 / own)  # Bessel's correction for as many windows as are independent
        of_samples, spread = _moments(statistic, drawn)
        prior, expected = PRIOR * ratio**-_FADES, spread * mean / max(of_samples, 1e-9)
        pooled = math.sqrt((own * deviation**2 + prior * expected**2) / (own + prior))
        means.append(mean)
        # a share of rows may well not vary at all, so it has no least variation
        least = 0.0 if statistic in ("missing", "unseen") else _LEAST_VARIATION * mean
        deviations.append(max(pooled, _LEAST_DEVIATION, least))
        freedoms.append(float(own + prior))
    return Null(statistic, rows, tuple(means), tuple(deviations), tuple(freedoms), windows, recent)


def _moments(statistic: str, values: Floats) -> tuple[float, float]:
    finite = values[np.isfinite(values)]
    if not finite.size:
        return 0.0, 0.0
    roots = _roots(statistic, finite)
    return float(roots.mean()), float(roots.std())


def _roots(statistic: str, values: Any) -> Any:
    values = np.maximum(values, 0.0)
    if statistic == "wasserstein":
        return np.power(values, _POWER)
    values = np.minimum(values, 1 - 1e-6)
    return np.power(values / (1 - values), _POWER)


def _unrooted(statistic: str, root: float) -> float:
    odds = math.pow(min(max(root, 0.0), 1e100), 1 / _POWER)
    return odds if statistic == "wasserstein" else odds / (1 + odds)
