"""Null windows: windows of the reference's days compared with the rest of the reference, for what statistics do
without a change.

Consecutive days form the windows, so that correlated days (weather, weekdays) stay together. Where the reference is
shorter than FEWEST windows, a window is put together from shorter runs of days (a block bootstrap: Künsch 1989,
Annals of Statistics 17:1217). Each window is also thinned to fewer rows, since statistics of few rows are larger by
sampling.

``recent_windows`` are the same windows against the days just before each: how far the data move from week to week.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pilothouse.statistics.arrays import AnyArray, Flags, Floats, Ints
from pilothouse.statistics.distances import distances, drift
from pilothouse.statistics.profiles.profile import Histogram
from pilothouse.statistics.profiles.specification import (
    CategoricalColumn,
    Column,
    NumericColumn,
)
from pilothouse.statistics.significance.daily_counts import Days, product, sums

FEWEST = 6
"""Windows that must fit into the reference without overlap; with fewer, shorter runs of days are joined."""
MOST = 64
"""Windows that are compared at most: the cost of a calibration does not grow with the reference."""
SMALLEST_SAMPLE = 50
"""Rows down to which windows are thinned."""
RECENT = 3
"""Length of the recent past of a window, in windows just before it."""
_ROUNDED = np.float32
"""Precision of the many samples of a null: their distances are right to a few in 100,000, which is far less than they vary."""
_IN_CACHE = 1 << 16
"""Bins of samples that are compared at once."""
_GUIDES, _GUIDED = 1 << 13, 4
"""Steps of the table by which draws are placed, and bins by which they are moved one by one."""
_ROWS_A_BIN = 3
"""Rows for each bin up to which a sample is drawn row by row: a bin costs about as much as three rows."""
_LARGE, _SHARED_BY = 10, 4
"""Times the rows of a sample from which those of its reference move its distance little: one is then drawn for so many."""
_PAIRS = 300
"""Pairs of distant windows that are compared at most in ``likeness``."""
DRAWS = 100
"""Windows put together where consecutive ones are too few; samples drawn for a sampling null."""
CATEGORY_DRAWS = 400
"""Samples drawn for the sampling null of a categorical column, whose few cells cost little."""


@dataclass(frozen=True, slots=True, eq=False)
class Windows:
    """Windows of the reference and what each is compared with, over its days: ``members`` int64[windows, days] is how
    often each window holds each day, ``others`` int64[windows, days] which days it is compared with. ``independent``
    is how many windows' worth of evidence they are."""

    members: Ints
    others: Ints
    independent: float
    length: int
    """Days of a window."""


@dataclass(frozen=True, slots=True, eq=False)
class Sides:
    """Counts of a column's values in the two sides of each comparison: of the whole ``reference`` int64[bins], of its
    ``windows`` and of the ``others`` that each is compared with, int64[windows, bins]."""

    reference: Ints
    windows: Ints
    others: Ints

    @property
    def rows(self) -> tuple[Floats, Floats]:
        """Rows of each window, and of what it is compared with, float64[windows] each."""
        return self.windows.sum(axis=1, dtype=np.float64), self.others.sum(axis=1, dtype=np.float64)

    @property
    def shares(self) -> tuple[Floats, Floats]:
        """Share of each bin in the rows of each window, and of what it is compared with, float64[windows, bins] each;
        NaN without rows."""
        return distances.shares(self.windows), distances.shares(self.others)


def sides_of(days: Days, windows: Windows) -> Sides:
    """Counts of a column's values (missing ones left out), int64[windows, bins], in the windows and in what each is
    compared with."""
    counts = days.counts[:, :-1]
    return Sides(
        days.whole.counts,
        sums(windows.members, counts, days.ends),
        sums(windows.others, counts, days.ends),
    )


def null_windows(days: int, window: int, against: int | None, seed: int) -> Windows:
    """Windows of ``window`` days out of ``days``, and what each is compared with: all its other days, or ``against``
    of them (a run of that length, elsewhere), as many as the real reference has. Deterministic for a ``seed``.
    Windows with nothing to be compared with are left out.

    Own construction: runs of consecutive days where FEWEST of them fit, else windows joined from shorter runs; days
    next to a window are left out of its comparison where the reference is long enough (``_apart``).
    """
    rng = np.random.default_rng(seed)
    independent = days / window
    if independent >= FEWEST:
        last = days - window
        # Windows that overlap share most of their days: MOST of them, evenly spread, carry what all would.
        starts = np.unique(np.linspace(0, last, min(MOST, last + 1)).round().astype(np.int64))
        members = _runs(starts, window, days)
    else:
        run = max(1, days // (2 * FEWEST))
        chosen = rng.integers(0, days - run + 1, (DRAWS, max(1, round(window / run))))
        members = np.array([_runs(starts, run, days).sum(axis=0) for starts in chosen])
        independent = min(days / run / 2, FEWEST)
    if against is not None and against < days - window:
        members, others = _elsewhere(members, against, rng)
    else:
        others = _apart(members, window if independent >= 2 * FEWEST else 0)
    enough = others.sum(axis=1) > 0
    return Windows(members[enough], others[enough], independent, window)


def recent_windows(days: int, window: int) -> Windows:
    """Windows of ``window`` days out of ``days``, each against the RECENT windows' days before it. No windows where
    fewer than FEWEST of them fit: a week-to-week movement is not learnt from one or two."""
    past = RECENT * window
    fit = (days - past) / window
    if fit < FEWEST:
        nothing = np.zeros((0, days), np.int64)
        return Windows(nothing, nothing, 0.0, window)
    last = days - window
    starts = np.unique(np.linspace(past, last, min(MOST, last - past + 1)).round().astype(np.int64))
    return Windows(_runs(starts, window, days), _runs(starts - past, past, days), fit, window)


def _runs(starts: Ints, length: int, days: int) -> Ints:
    offsets = np.arange(days) - starts[:, None]
    return ((offsets >= 0) & (offsets < length)).astype(np.int64)


def _apart(members: Ints, gap: int) -> Ints:
    """Days that a window is compared with, int64[windows, days]: those more than ``gap`` days from any of its own,
    since its neighbours resemble it more than the reference will a later window (h-block cross-validation: Racine
    2000, J. Econometrics 99:39)."""
    days = members.shape[1]
    reach = np.abs(np.subtract.outer(np.arange(days), np.arange(days))) <= gap
    apart: Ints = (product(members, reach.astype(np.int64)) == 0).astype(np.int64)
    return apart


def likeness(column: Column, days: Days, window: int, seed: int) -> float:
    """Resemblance of a window to the next, 0 (no more than to any other) to 1: 1 − the mean squared distance of
    neighbours over that of windows three or more apart. Own construction in place of an autocorrelation, for columns
    of any kind; the distance is KS of numbers, Jensen–Shannon of categories. 0 for fewer than FEWEST windows with
    values. Deterministic for a ``seed``."""
    last = int(days.ends[-1])
    until = days.counts[days.ends.searchsorted(np.arange(0, last + 1, window)), :-1]
    counts = np.diff(until, axis=0)
    kept = np.flatnonzero(counts.sum(axis=1))
    counts = counts[kept]
    if len(counts) < FEWEST:
        return 0.0
    first, second = np.triu_indices(len(counts), 3)
    if len(first) > _PAIRS:
        chosen = np.random.default_rng(seed).choice(len(first), _PAIRS, replace=False)
        first, second = first[chosen], second[chosen]
    if isinstance(column, NumericColumn):
        level = np.cumsum(distances.shares(counts), axis=-1)  # of each window once: pairs share them
        apart = [
            np.abs(level[i] - level[j]).max() for i, j in zip(first.tolist(), second.tolist(), strict=True)
        ]
        neighbours, distant = np.abs(np.diff(level, axis=0)).max(axis=-1), np.array(apart)
    else:
        neighbours = distances.jensen_shannon(counts[:-1], counts[1:])
        distant = distances.jensen_shannon(counts[first], counts[second])
    near, far = float(np.mean(neighbours**2)), float(np.mean(distant**2))
    return max(0.0, 1 - near / far) if far > 0 else 0.0


def _elsewhere(members: Ints, length: int, rng: np.random.Generator) -> tuple[Ints, Ints]:
    """For each window up to four runs of ``length`` days that share no day with it."""
    days = members.shape[1]
    runs = _runs(np.arange(days - length + 1), length, days)
    kept, others = [], []
    for window in members:
        free: Flags = (runs @ window) == 0
        for start in rng.permutation(np.flatnonzero(free))[:4]:
            kept.append(window)
            others.append(runs[start])
    return np.array(kept).reshape(-1, days), np.array(others).reshape(-1, days)


def statistics_for(column: Column) -> tuple[str, ...]:
    """Names of the distances that a column is judged by: KS (shape) and Wasserstein (distance) of numbers,
    Jensen–Shannon of categories."""
    return ("js",) if isinstance(column, CategoricalColumn) else ("ks", "wasserstein")


def measure(
    column: Column,
    reference: tuple[Ints, Ints],
    current: tuple[Ints, Ints],
    scale: float,
) -> dict[str, Floats]:
    """Distances of ``statistics_for`` between two sides (counts, positions), each int64[..., bins] → float64[...];
    ``scale`` is as ``drift.scale_of`` gives it. NaN where a side is empty; Wasserstein's also for a column without
    edges."""
    return _between(column, _side(column, reference), _side(column, current), scale)


def _side(
    column: Column, sample: tuple[AnyArray, AnyArray], precision: type[np.floating[Any]] = np.float64
) -> Any:
    """One side of a comparison, prepared for any number of others: laid out where the column has edges, else its counts."""
    if isinstance(column, NumericColumn) and column.edges.size:
        width, unit = distances.bin_sizes(column)
        counts, positions = sample
        if precision is np.float64:
            return distances.lay(width, unit, counts, positions)
        rounded = [array.astype(precision) for array in (width, unit, counts, positions)]
        return distances.lay(rounded[0], rounded[1], rounded[2], rounded[3])
    return sample[0]


def _distances(
    column: Column, base: Any, sample: tuple[AnyArray, AnyArray], scale: float
) -> dict[str, Floats]:
    """Distances of samples (counts, positions), each [samples, bins], from the side ``base`` prepared for as many: a few at a
    time, so that what is computed on the way stays in the processor's cache."""
    if not isinstance(base, distances.Laid):
        return _between(column, base, _side(column, sample), scale)
    counts, positions = sample
    step = max(1, _IN_CACHE // counts.shape[1])
    blocks = [slice(first, first + step) for first in range(0, len(counts), step)]
    parts = [
        _between(column, base.part(rows), _side(column, (counts[rows], positions[rows]), _ROUNDED), scale)
        for rows in blocks
    ]
    return {
        name: np.concatenate([part[name] for part in parts] or [np.zeros(0)])
        for name in statistics_for(column)
    }


def _between(column: Column, reference: Any, current: Any, scale: float) -> dict[str, Floats]:
    if isinstance(column, NumericColumn) and column.edges.size:
        distance = distances.wasserstein_of_laid(distances.bin_sizes(column)[0], reference, current)
        return {
            "ks": distances.ks_of_laid(reference, current),
            "wasserstein": np.asarray(distance / scale, np.float64),
        }
    if isinstance(column, NumericColumn):  # without edges no value is known: there is no distance to speak of
        ks = distances.ks_of_counts(reference, current)
        return {"ks": ks, "wasserstein": np.full(np.shape(ks), np.nan)}
    return {"js": distances.jensen_shannon(reference, current)}


def null_values(
    column: Column,
    days: Days,
    windows: Windows,
    sizes: Sequence[int],
    seed: int,
    *,
    thin_both: bool = False,
) -> dict[str, list[Floats]]:
    """Values of each distance over the windows, float64[windows], for windows thinned to each of ``sizes`` rows (0:
    as they are). ``thin_both`` thins what they are compared with to RECENT times as many, as the recent past of a
    window of that size has. NaN where a side is empty. Deterministic for a ``seed``."""
    rng = np.random.default_rng(seed)
    counts, positions = days.counts[:, :-1], days.positions
    current, reference = (
        (sums(of, counts, days.ends), sums(of, positions, days.ends))
        for of in (windows.members, windows.others)
    )
    scale = 1.0
    if isinstance(column, NumericColumn):
        scale = drift.scale_of(column, days.whole)
    values_of: dict[str, list[Floats]] = {name: [] for name in statistics_for(column)}
    whole_reference = _side(column, reference, _ROUNDED)
    for size in sizes:
        thinned = current if size == 0 else _thinned(current, size, rng)
        base = whole_reference
        if thin_both and size:
            base = _side(column, _thinned(reference, RECENT * size, rng), _ROUNDED)
        for name, values in _distances(column, base, thinned, scale).items():
            values_of[name].append(values)
    return values_of


def sampled_values(
    column: Column, reference: Histogram, rows: Sequence[int], seed: int, against: int | None = None
) -> list[dict[str, Floats]]:
    """Values of each distance under sampling alone, for each number of ``rows``: float64[draws] of samples of so many
    rows against samples of ``against`` rows (the reference's size by default), all drawn with replacement from the
    reference, which must have values. DRAWS of them, CATEGORY_DRAWS for categories. Deterministic for a ``seed``."""
    rng = np.random.default_rng(seed)
    draws = CATEGORY_DRAWS if isinstance(column, CategoricalColumn) else DRAWS
    share = reference.counts / reference.present
    mean_position = reference.positions / np.maximum(reference.counts, 1)
    scale = drift.scale_of(column, reference) if isinstance(column, NumericColumn) else 1.0

    def draw(size: int, shared_by: int = 1) -> tuple[AnyArray, AnyArray]:
        counts = np.repeat(_multinomial(rng, size, share, draws // shared_by), shared_by, axis=0)
        return counts, np.rint(counts * mean_position)

    base_rows = against or reference.present
    base = _side(column, draw(base_rows, _SHARED_BY if base_rows >= _LARGE * max(rows) else 1), _ROUNDED)
    state = rng.bit_generator.state
    samples = []
    for size in rows:
        rng.bit_generator.state = state  # what is drawn for one number does not depend on the others
        samples.append(_distances(column, base, draw(size), scale))
    return samples


def _multinomial(rng: np.random.Generator, rows: int, share: Floats, draws: int) -> Ints:
    """Counts int64[draws, bins] of samples of ``rows`` rows; row by row where that is cheaper than bin by bin."""
    bins = len(share)
    if rows > _ROWS_A_BIN * bins:
        return rng.multinomial(rows, share, size=draws)
    level = np.cumsum(share)
    where = _placed(level / level[-1], rng.random(draws * rows)).reshape(draws, rows)
    flat = (where + bins * np.arange(draws)[:, None]).ravel()
    return np.bincount(flat, minlength=bins * draws).reshape(draws, bins)


def _placed(level: Floats, drawn: Floats) -> Ints:
    """``np.searchsorted(level, drawn, side="right")`` of numbers from 0 to 1 in no order: a table of equal steps says
    where each begins, and few are more than a bin further (Chen and Asau 1974, AIIE Transactions 6:163)."""
    grid = level.searchsorted(np.arange(_GUIDES) / _GUIDES, side="right")
    where: Ints = grid[(drawn * _GUIDES).astype(np.int64)]
    left = np.flatnonzero(level[where] <= drawn)
    for _ in range(_GUIDED):
        if not left.size:
            return where
        where[left] += 1
        left = left[level[where[left]] <= drawn[left]]
    where[left] = level.searchsorted(drawn[left], side="right")
    return where


def _thinned(current: tuple[Ints, Ints], size: int, rng: np.random.Generator) -> tuple[AnyArray, AnyArray]:
    """Windows with each row kept at random, ``size`` of them on average; positions keep their bin's mean."""
    counts, positions = current
    total = counts.sum(axis=-1, keepdims=True)
    share = np.minimum(size / np.maximum(total, 1), 1.0)
    if _ROWS_A_BIN * size < counts.shape[-1]:
        kept = _kept(counts, share[:, 0], rng)
    else:
        kept = rng.binomial(counts, np.broadcast_to(share, counts.shape))
    moved = kept / np.maximum(counts, 1)
    moved *= positions
    return kept, np.rint(moved, out=moved)


def _kept(counts: Ints, share: Floats, rng: np.random.Generator) -> Ints:
    """Rows of counts int64[windows, bins] that are kept, each with its window's ``share`` float64[windows]: drawn row by row,
    which is cheaper than bin by bin where few are kept. The gaps between them are geometric."""
    most = float(share.max(initial=0.0))
    if not most:
        return np.zeros_like(counts)
    last = np.cumsum(counts.ravel())
    rows = int(last[-1])
    at = np.zeros(0, np.int64)
    while not at.size or at[-1] < rows:
        gaps = rng.geometric(most, int(rows * most) + 100)
        at = np.concatenate((at, np.cumsum(gaps) + (at[-1] if at.size else -1)))
    cells = last.searchsorted(at[: at.searchsorted(rows)], side="right")
    lasting = rng.random(len(cells)) * most < share[cells // counts.shape[1]]
    return np.bincount(cells[lasting], minlength=counts.size).reshape(counts.shape)
