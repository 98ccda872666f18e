"""Drift by the default rules of Evidently 0.7.23: its choice of statistic, its bins, constants and verdict.

Written after its ``legacy/calculations`` (``get_one_column_drift``, ``stattests``) and ``infer_column_type``. Its
bins are cut over reference and current together, so that none of this can be computed from stored profiles.
"""

import math
from dataclasses import replace
from typing import Literal

import numpy as np

from pilothouse.statistics.arrays import Floats, Ints
from pilothouse.statistics.distances import distances
from pilothouse.statistics.profiles.samples import Categories, Numbers, Sample, value_counts
from pilothouse.statistics.table_drift import ColumnDrift, Columns, column_names, describe

Method = Literal["ks", "wasserstein", "jensenshannon", "chisquare", "z", "psi", "kl_div", "hellinger"]

THRESHOLDS: dict[Method, float] = {
    "ks": 0.05,
    "chisquare": 0.05,
    "z": 0.05,
    "wasserstein": 0.1,
    "jensenshannon": 0.1,
    "psi": 0.1,
    "kl_div": 0.1,
    "hellinger": 0.1,
}
"""Evidently's bounds: of a p-value for ks, chisquare and z, of a distance for the others."""
SMALL_SAMPLE = 1_000
"""Reference rows up to which Evidently tests a hypothesis; beyond, it measures a distance."""
FEW_VALUES = 5
"""Distinct values up to which numbers are treated as categories when the statistic is chosen."""
FEW_INTEGERS = 10
"""Distinct values up to which an integer column of current is a category."""
BINNED_FROM = 20
"""Distinct reference values above which numbers are binned; up to as many each value is a bin."""
SMALLEST_NORM = 0.001
"""Least value by which the Wasserstein distance is divided in place of the reference's standard deviation."""
DRIFTED_SHARE = 0.5
"""Share of drifting columns from which a table drifts."""


def table_drift(reference: Columns, current: Columns) -> list[ColumnDrift]:
    """Drift of every column by Evidently's rules, in the reference's order with columns that only current has last.
    Raises nothing: a missing or an empty column, for which Evidently raises, is reported in that column's ``fault``."""
    return [column_drift(name, reference, current) for name in column_names(reference, current)]


def table_drifts(columns: list[ColumnDrift]) -> bool:
    """Evidently's verdict on a table: True where at least half of the columns that have a statistic drift; False
    where none has."""
    compared = [column for column in columns if column.statistic]
    return bool(compared) and sum(c.drifts for c in compared) / len(compared) >= DRIFTED_SHARE


def column_drift(name: str, reference: Columns, current: Columns) -> ColumnDrift:
    """Drift of one column by Evidently's rules: statistic, value, threshold and verdict, or a ``fault`` where it is
    missing, empty, of another type, or free text (for which Evidently trains a classifier, which is not reproduced).
    ``statistics`` is empty where the value is NaN or infinite."""
    description = describe(name, reference, current)
    before, now = reference.get(name), current.get(name)
    if description.fault or before is None or now is None:
        return description
    if _is_free_text(now):
        fault = "is free text, for which Evidently trains a classifier: not reproduced"
        return replace(description, fault=fault, skipped=True)
    categorical = is_category(now)
    method = choose(before, now, categorical)
    value = measure(method, before, now, categorical)
    return replace(
        description,
        kind="category" if categorical else "number",
        statistic=method,
        value=value,
        threshold=THRESHOLDS[method],
        drifts=drifts(method, value),
        statistics={method: value} if math.isfinite(value) else {},
    )


def is_category(current: Sample) -> bool:
    """True for texts and booleans, and for an integer column of current with at most FEW_INTEGERS distinct values."""
    if isinstance(current, Categories):
        return True
    return current.integers and len(np.unique(current.finite)) <= FEW_INTEGERS


def _is_free_text(sample: Sample) -> bool:
    """True for texts of which more than half of the present rows are distinct."""
    if not isinstance(sample, Categories) or sample.kind != "text":
        return False
    codes = sample.codes[sample.codes >= 0]
    return len(np.unique(codes)) > len(codes) * 0.5


def choose(reference: Sample, current: Sample, categorical: bool) -> Method:
    """Statistic that Evidently takes by default, by the number of reference rows with a value, the number of distinct
    values in both samples, and whether the column is ``categorical``. Both samples must be of one kind."""
    counts = value_counts(reference, current)
    rows, values = int(counts[0].sum()), len(counts[0])
    as_values = categorical or values <= FEW_VALUES
    if rows > SMALL_SAMPLE:
        return "jensenshannon" if as_values else "wasserstein"
    if as_values:
        return "chisquare" if values > 2 else "z"
    return "ks"


def drifts(method: Method, value: float) -> bool:
    """Evidently's verdict on a value: p-values of chisquare and z drift strictly below the threshold, of ks up to it,
    distances from it on. NaN never drifts."""
    threshold = THRESHOLDS[method]
    if method in ("chisquare", "z"):
        return value < threshold
    return value <= threshold if method == "ks" else value >= threshold


def measure(method: Method, reference: Sample, current: Sample, categorical: bool) -> float:
    """Value of one of Evidently's statistics for two samples of one kind: a p-value for ks, chisquare and z, else a
    distance. ``wasserstein`` is in the reference's standard deviations, at least SMALLEST_NORM. Missing and infinite
    values are left out; NaN where a sample is empty or the statistic is not defined."""
    if method in ("ks", "wasserstein"):
        assert isinstance(reference, Numbers)
        assert isinstance(current, Numbers)
        x, y = reference.finite, current.finite
        if method == "ks":
            return distances.ks_p_exact(x, y)
        with np.errstate(over="ignore", invalid="ignore"):
            return distances.wasserstein(x, y) / max(float(np.std(x)), SMALLEST_NORM)
    if method == "z":
        return _z_test(*value_counts(reference, current))
    if method == "chisquare":
        return distances.chi_square_of_fit(*value_counts(reference, current))[1]
    if method == "hellinger":
        return float(distances.hellinger(*_hellinger_bins(reference, current, categorical)))
    r, c = binned_shares(reference, current, categorical)
    if method == "jensenshannon":
        return float(distances.jensen_shannon(r, c, base=math.e))
    if method == "psi":
        return float(distances.psi_of_shares(_filled(r), _filled(c)))
    return float(distances.kullback_leibler(_filled(r), _filled(c)))


def _z_test(reference: Ints, current: Ints) -> float:
    """Two-sided p-value for the share of one of two values; 1 where both samples hold the same single value."""
    if len(reference) < 2:
        return 1.0
    return distances.two_proportion_z(
        int(reference[0]), int(reference.sum()), int(current[0]), int(current.sum())
    )[1]


def binned_shares(reference: Sample, current: Sample, categorical: bool) -> tuple[Floats, Floats]:
    """Shares of both samples' rows for psi, jensenshannon and kl_div, each float64[bins] with sum 1. Numbers with
    more than BINNED_FROM distinct reference values are binned by Sturges's rule over both samples together (Sturges
    1926, J. American Statistical Association 21:65); others, and ``categorical`` ones, value by value. NaN where a
    sample is empty."""
    if not categorical and isinstance(reference, Numbers) and isinstance(current, Numbers):
        x, y = reference.finite, current.finite
        if len(np.unique(x)) > BINNED_FROM:
            edges = _sturges(np.concatenate((x, y)))
            return np.histogram(x, edges)[0] / len(x), np.histogram(y, edges)[0] / len(y)
    before, now = value_counts(reference, current)
    return before / before.sum(), now / now.sum()


def _hellinger_bins(reference: Sample, current: Sample, categorical: bool) -> tuple[Floats, Floats]:
    """Counts for hellinger: numbers are always binned, with edges over the distinct values of both samples."""
    if categorical or not isinstance(reference, Numbers) or not isinstance(current, Numbers):
        before, now = value_counts(reference, current)
        return before.astype(np.float64), now.astype(np.float64)
    x, y = reference.finite, current.finite
    edges = _sturges(np.unique(np.concatenate((x, y))))
    return np.histogram(x, edges)[0].astype(np.float64), np.histogram(y, edges)[0].astype(np.float64)


def _sturges(values: Floats) -> Floats:
    """Edges by Sturges's rule; a single bin over everything where the range is too wide to be divided."""
    try:
        with np.errstate(over="raise", invalid="raise"):
            return np.asarray(np.histogram_bin_edges(values, "sturges"), np.float64)
    except (ValueError, FloatingPointError):
        return np.array([-np.inf, np.inf])


def _filled(shares: Floats) -> Floats:
    """Shares with empty bins filled: by 0.0001, or by a millionth of the smallest share where that is not above
    0.0001. The sum is not brought back to 1, as in Evidently."""
    smallest = shares[shares > 0].min()
    return np.where(shares == 0, smallest / 1e6 if smallest <= 1e-4 else 1e-4, shares)
