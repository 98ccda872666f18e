"""Drift by the default rules of NannyML 0.13.1: its chunks, statistics, bins, thresholds and verdict.

Written after its ``drift/univariate/methods.py``, ``chunk.py`` and ``thresholds.py``. NannyML judges chunk by chunk:
each chunk's value and alert are given, and a column drifts where any chunk alerts.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from pilothouse.statistics.arrays import AnyArray, Floats, Ints
from pilothouse.statistics.distances import distances
from pilothouse.statistics.profiles.samples import Categories, Numbers, Sample, present
from pilothouse.statistics.table_drift import ColumnDrift, Columns, column_names, describe

Method = Literal["jensen_shannon", "hellinger", "kolmogorov_smirnov", "wasserstein", "chi2", "l_infinity"]

OF_NUMBERS: tuple[Method, ...] = ("jensen_shannon", "hellinger", "kolmogorov_smirnov", "wasserstein")
OF_CATEGORIES: tuple[Method, ...] = ("jensen_shannon", "hellinger", "chi2", "l_infinity")
CHUNKS = 10
"""Share of the rows in a chunk, as a divisor: rows are cut into tenths (rounded down), and what remains into further
chunks."""
EXACT_BELOW = 10_000
"""Reference rows from which KS and Wasserstein are taken over as many bins of equal width."""
DEVIATIONS = 3
"""Standard deviations of the reference's chunks above their mean at which the threshold lies."""
SIGNIFICANCE = 0.05
"""p-value below which chi2 alerts; it has no threshold of the value."""


@dataclass(frozen=True, slots=True)
class Fitted:
    """One method fitted on one reference column. ``measure`` maps a chunk to (value, p-value): the p-value is NaN for
    every method but chi2, and both are NaN for a chunk without usable values. ``threshold`` is NaN for chi2."""

    method: Method
    measure: Callable[[Sample], tuple[float, float]]
    threshold: float

    def alerts(self, value: float, p_value: float) -> bool:
        """NannyML's verdict on one chunk: the p-value below SIGNIFICANCE for chi2, else the value above the
        threshold. NaN: False."""
        return p_value < SIGNIFICANCE if self.method == "chi2" else value > self.threshold


def table_drift(reference: Columns, current: Columns, method: Method = "jensen_shannon") -> list[ColumnDrift]:
    """Drift of every column by NannyML's rules, in the reference's order with columns that only current has last.
    Raises nothing: a missing or an empty column, for which NannyML raises, is reported in that column's ``fault``."""
    return [column_drift(name, reference, current, method) for name in column_names(reference, current)]


def column_drift(
    name: str, reference: Columns, current: Columns, method: Method = "jensen_shannon"
) -> ColumnDrift:
    """Drift of one column by NannyML's rules: ``value`` is the largest of current's chunks (NaN where none has usable
    values), ``chunks`` are all of them, and it drifts where any alerts. ``fault`` says why where the column is
    missing, empty, of another type, or not measured by ``method``."""
    description = describe(name, reference, current)
    before, now = reference.get(name), current.get(name)
    if description.fault or before is None or now is None:
        return description
    if method not in (OF_NUMBERS if isinstance(before, Numbers) else OF_CATEGORIES):
        return replace(description, fault=f"is not measured by {method}")
    fitted = fit(before, method)
    measured = [fitted.measure(part) for part in chunks(now)]
    parts = tuple((value, fitted.alerts(value, p)) for value, p in measured)
    values = [value for value, _ in parts if math.isfinite(value)]
    return replace(
        description,
        kind="number" if isinstance(before, Numbers) else "category",
        statistic=method,
        value=max(values, default=math.nan),
        threshold=fitted.threshold,
        drifts=any(alert for _, alert in parts),
        statistics={method: fitted.measure(now)[0]},
        chunks=parts,
    )


def chunks(sample: Sample) -> Iterator[Sample]:
    """Parts of a sample in row order: of a tenth of its rows each (rounded down, at least one row, where NannyML
    refuses), what remains in further parts of which the last may be smaller. No rows give none."""
    size = max(sample.rows // CHUNKS, 1)
    for first in range(0, sample.rows, size):
        yield sample.part(slice(first, first + size))


def fit(reference: Sample, method: Method) -> Fitted:
    """Method fitted on reference values, with its threshold: mean plus DEVIATIONS standard deviations (n in the
    denominator) of the reference's own chunks, at most 1 for kolmogorov_smirnov. NaN where no chunk has usable
    values."""
    measure = _measure_of(reference, method)
    if method == "chi2":
        return Fitted(method, measure, math.nan)
    values = np.array([measure(part)[0] for part in chunks(reference)])
    values = values[~np.isnan(values)]
    threshold = float(np.mean(values) + DEVIATIONS * np.std(values)) if values.size else math.nan
    if method == "kolmogorov_smirnov":
        threshold = min(threshold, 1.0)
    return Fitted(method, measure, threshold)


def _measure_of(reference: Sample, method: Method) -> Callable[[Sample], tuple[float, float]]:
    if isinstance(reference, Categories):
        return _of_categories(reference, method)
    distance = {
        "jensen_shannon": _over_doane_bins,
        "hellinger": _over_doane_bins,
        "kolmogorov_smirnov": _kolmogorov_smirnov,
        "wasserstein": _wasserstein,
    }[method](reference, method)

    def measure(part: Sample) -> tuple[float, float]:
        assert isinstance(part, Numbers)
        values = _with_infinities(part)
        return (distance(values) if values.size else math.nan), math.nan

    return measure


def _with_infinities(sample: Numbers) -> Floats:
    """Values that are not NaN, float64[n], infinities as the largest finite floats: NannyML keeps them, beyond every
    edge."""
    largest = float(np.finfo(np.float64).max)
    return np.clip(sample.values[~np.isnan(sample.values)], -largest, largest)


def _over_doane_bins(reference: Numbers, method: str) -> Callable[[Floats], float]:
    """Distance over bins cut by Doane's rule over the reference alone; values outside of them are one more bin."""
    x = reference.finite
    try:
        with np.errstate(over="raise", invalid="raise"):
            edges = np.histogram_bin_edges(x, bins="doane")
    except (ValueError, FloatingPointError):  # a range too wide to be divided
        edges = np.array([-np.inf, np.inf])
    shares = np.histogram(x, bins=edges)[0] / len(x)
    return lambda y: _apart(method, shares, np.histogram(y, bins=edges)[0] / len(y))


def _apart(method: str, reference: Floats, current: Floats) -> float:
    remainder = 1 - np.sum(current)
    if remainder > 0:  # also where the remainder is only a rounding error, as in NannyML
        reference, current = np.append(reference, 0.0), np.append(current, remainder)
    apart = distances.jensen_shannon if method == "jensen_shannon" else distances.hellinger
    return float(apart(reference, current))


def _kolmogorov_smirnov(reference: Numbers, _: str) -> Callable[[Floats], float]:
    x = _with_infinities(reference)
    if len(x) < EXACT_BELOW:
        return lambda y: distances.ks(x, y)
    x = reference.finite
    edges = np.linspace(x.min(), x.max(), EXACT_BELOW + 1)
    below = np.cumsum(np.histogram(x, edges)[0] / len(x))

    def distance(y: Floats) -> float:
        under = np.sum(y < edges[0]) / len(y)
        return float(np.abs(below - (under + np.cumsum(np.histogram(y, edges)[0] / len(y)))).max())

    return distance


def _wasserstein(reference: Numbers, _: str) -> Callable[[Floats], float]:
    """Distance in the column's own unit, ∞ where either side holds an infinity. Over bins, the mass outside of the
    reference's range is counted with one row too many, as in NannyML."""
    x = _with_infinities(reference)
    if len(x) < EXACT_BELOW:
        if len(reference.finite) < len(x):
            return lambda y: math.inf
        largest = np.finfo(np.float64).max
        return lambda y: math.inf if np.abs(y).max() == largest else distances.wasserstein(x, y)
    x = reference.finite
    counts, edges = np.histogram(x, bins=EXACT_BELOW)
    low, high, width = edges[0], edges[-1], edges[1] - edges[0]
    below = np.cumsum(counts / len(x))

    def distance(y: Floats) -> float:
        smaller, larger = y[y < low], y[y > high]
        under = (len(smaller) + 1) / len(y) if len(smaller) else 0.0
        over = (len(larger) + 1) / len(y) if len(larger) else 0.0
        within = np.sum(np.abs(below - (np.cumsum(np.histogram(y, edges)[0] / len(y)) + under)) * width)
        left = under * _mean_gap(np.append(smaller, low), low) if len(smaller) else 0.0
        right = over * _mean_gap(np.append(larger, high), high) if len(larger) else 0.0
        return float(within + left + right)

    return distance


def _mean_gap(values: Floats, edge: float) -> float:
    """Area between a sample's distribution function and a step at ``edge``."""
    return float(np.mean(np.abs(values - edge)))


def _of_categories(reference: Categories, method: Method) -> Callable[[Sample], tuple[float, float]]:
    base = np.bincount(reference.codes[reference.codes >= 0], minlength=len(reference.names))
    categories = np.flatnonzero(base)

    def counts_of(part: Categories) -> tuple[Ints, Ints]:
        """Counts over the reference's categories, and of those that it does not hold."""
        position_of = {reference.names[code]: i for i, code in enumerate(categories)}
        moved = np.array([position_of.get(name, -1) for name in part.names], np.int64)
        codes = part.codes[part.codes >= 0]
        target = moved[codes] if len(moved) else codes
        known = np.bincount(target[target >= 0], minlength=len(categories))
        return known, np.unique(codes[target < 0], return_counts=True)[1]

    def measure(part: Sample) -> tuple[float, float]:
        assert isinstance(part, Categories)
        rows = present(part)
        if not rows:
            return math.nan, math.nan
        known, new = counts_of(part)
        return _category_distance(method, base[categories], known, new, rows)

    return measure


def _category_distance(
    method: Method, base: AnyArray, known: Ints, new: Ints, rows: int
) -> tuple[float, float]:
    every = np.append(base, np.zeros(len(new), np.int64)), np.append(known, new)
    if method == "chi2":
        statistic, p_value = map(float, distances.chi_square(*every))
        return (0.0, 1.0) if math.isnan(statistic) else (statistic, p_value)
    if method == "l_infinity":
        return float(distances.l_infinity(*every)), math.nan
    return _apart(method, base / base.sum(), known / rows), math.nan
