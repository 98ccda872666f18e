"""What each column's statistics do while nothing has changed, learnt from the reference's own days.

Two comparisons are learnt (``null_windows``): a window with the rest of the reference, and a window with the days just
before it. A statistic is put on the scale √(v/(1 − v)) (√v for Wasserstein, which has no upper bound). Distances are roots
of sums of squares, which the root makes near to normal, with or without wandering: of a half-normal distance, the 0.999
quantile so found is 9 % too large, where the logarithm makes it five times too large. On that scale
the values of m independent windows are taken as normal with unknown mean and deviation, so that a new window's value
follows Student's t with m − 1 degrees, scaled by √(1 + 1/m). This parametric tail is needed: ninety days are thirteen weeks,
and no empirical quantile of thirteen values reaches one in a thousand. Few weeks widen it by themselves. It is kept for
windows of fewer rows too, where chance alone makes statistics large.
"""

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

import numpy as np

from pilothouse.domain.errors import IntegrityError

from . import null_windows
from .arrays import Floats
from .encoding import pack, unpack
from .profile import Histogram, Profile
from .specification import CategoricalColumn, Cells, Column, ProfileSpecification

EFFECT = {"ks": 0.05, "wasserstein": 0.1, "js": 0.05, "missing": 0.02, "unseen": 0.01}
"""A smaller drift is not worth a word, however certain. Wasserstein is in deviations (Evidently's bound); missing and
unseen are rises of the share of rows."""
_LEAST_DEVIATION = 0.02
_LEAST_VARIATION = 0.08
"""The least deviation on the root scale that a reference may claim for itself, also as a share of its mean: chance alone
gives KS 0.15 of its mean."""
ROOT_SCALE = 2
"""The form of a stored calibration; one of another form is computed anew."""
FEWEST_ROWS = 5
"""Fewer usable values than this are no sample."""


@dataclass(frozen=True, slots=True)
class Null:
    """One statistic of one column while nothing has changed: mean and deviation on the root scale by rows (increasing;
    the last entry also stands for more rows), how many ``windows`` worth of evidence lie behind them, and whether windows
    were compared with the ``recent`` past or with the reference."""

    statistic: str
    rows: tuple[int, ...]
    mean: tuple[float, ...]
    deviation: tuple[float, ...]
    windows: float
    recent: bool = False

    def p_value(self, value: float, rows: int) -> float:
        """How probable a value this large is in a window of ``rows`` rows while nothing has changed."""
        from scipy.special import stdtr

        mean, deviation = self._at(rows)
        return float(stdtr(max(self.windows - 1, 1), (mean - _root(self.statistic, value)) / deviation))

    def value_at(self, p_value: float, rows: int) -> float:
        """The value that has this p-value."""
        from scipy.special import stdtrit

        mean, deviation = self._at(rows)
        return _unrooted(self.statistic, mean - float(stdtrit(max(self.windows - 1, 1), p_value)) * deviation)

    def usual(self, rows: int) -> float:
        """The value in the middle of those that windows of ``rows`` rows have while nothing has changed."""
        return _unrooted(self.statistic, self._at(rows)[0])

    def _at(self, rows: int) -> tuple[float, float]:
        place, known = math.log(max(rows, 1)), np.log(self.rows)
        spread = float(np.interp(place, known, self.deviation)) * math.sqrt(1 + 1 / self.windows)
        return float(np.interp(place, known, self.mean)), spread


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
            columns[column.name] = (
                *_drift_nulls(column, cells, days, windows, seed + i, recent=False),
                *_drift_nulls(column, cells, days, recent, seed + i, recent=True),
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
    values = null_windows.null_values(
        column, cells, days, windows, [*sizes, 0], seed, thin_both=recent
    )
    return tuple(
        _null(name, (*sizes, rows), of_sizes, windows.independent, recent=recent)
        for name, of_sizes in values.items()
    )


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
    return tuple(_null(name, size, [share], windows.independent) for name, share in shares.items())


def nulls_by_chance(column: Column, reference: Histogram, rows: int, seed: int = 0) -> tuple[Null, ...]:
    """Nulls of samples of ``rows`` rows out of a reference without days: chance alone, as classical tests have it."""
    if reference.present < FEWEST_ROWS or rows < FEWEST_ROWS:
        return ()
    values = null_windows.chance_values(column, reference, rows, seed)
    return tuple(_null(name, (rows,), [drawn], float(null_windows.DRAWS)) for name, drawn in values.items())


def _null(
    statistic: str, rows: tuple[int, ...], values: Sequence[Floats], windows: float, *, recent: bool = False
) -> Null:
    means, deviations = [], []
    for of_size in values:
        found = of_size[np.isfinite(of_size)]
        roots = np.array([_root(statistic, float(value)) for value in found] or [0.0])
        mean = float(roots.mean())
        least = max(_LEAST_DEVIATION, _LEAST_VARIATION * mean)
        means.append(mean)
        deviations.append(max(float(roots.std()), least))
    return Null(statistic, rows, tuple(means), tuple(deviations), windows, recent)


def _root(statistic: str, value: float) -> float:
    value = max(value, 0.0)
    if statistic == "wasserstein":
        return math.sqrt(value)
    value = min(value, 1 - 1e-6)
    return math.sqrt(value / (1 - value))


def _unrooted(statistic: str, root: float) -> float:
    square = max(root, 0.0) ** 2
    return square if statistic == "wasserstein" else square / (1 + square)


def encode(calibration: Calibration) -> bytes:
    """Compact bytes of a calibration."""
    columns = {
        name: [[null.statistic, null.rows, null.mean, null.deviation, null.windows, null.recent] for null in nulls]
        for name, nulls in calibration.columns.items()
    }
    return pack("C", {"window_days": calibration.window_days, "columns": columns}, {})


def decode(data: bytes) -> Calibration:
    """Read what ``encode`` wrote. Raises IntegrityError."""
    header, _ = unpack("C", data)
    try:
        columns = {
            name: tuple(
                Null(statistic, tuple(rows), tuple(mean), tuple(deviation), float(windows), bool(recent))
                for statistic, rows, mean, deviation, windows, recent in nulls
            )
            for name, nulls in header["columns"].items()
        }
        return Calibration(int(header["window_days"]), columns)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise IntegrityError(f"a stored calibration is damaged: {error!r}; calibrate again") from None
