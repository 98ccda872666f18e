"""What a statistic does while nothing has changed: windows of the reference's days against the rest of the reference.

Consecutive days form the windows, so that weather and weekdays that hang together stay together. Where the reference
is shorter than FEWEST windows, a window is put together from shorter runs of days (a block bootstrap). Each window
is also thinned to fewer rows, since a statistic of few rows is larger by chance.

``recent_windows`` are the same windows against the days just before each: how far the data move from week to week.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pilothouse.statistics.arrays import Flags, Floats, Ints
from pilothouse.statistics.distances import distances, drift
from pilothouse.statistics.profiles.profile import Histogram, Profile
from pilothouse.statistics.profiles.specification import (
    CategoricalColumn,
    Cells,
    Column,
    NumericColumn,
    ProfileSpecification,
)

FEWEST = 6
"""Windows that must fit into the reference without overlap, or shorter runs of days are joined."""
MOST = 64
"""Windows looked at, however long the reference is: the cost of a calibration does not grow with it."""
SMALLEST_SAMPLE = 50
"""Rows down to which windows are thinned."""
RECENT = 3
"""The recent past of a window: so many windows' days just before it."""
_PAIRS = 300
DRAWS = 100
"""Windows put together where consecutive ones are too few; samples drawn to see what chance alone does."""
CATEGORY_DRAWS = 400
"""Samples drawn of a category, whose few cells cost little."""


@dataclass(frozen=True, slots=True, eq=False)
class Days:
    """Daily profiles, dense: int64[days, cells]."""

    counts: Ints
    positions: Ints


@dataclass(frozen=True, slots=True, eq=False)
class Windows:
    """``members`` [windows, days] is how often each window holds each day, ``others`` which days it is compared with.

    ``independent`` is how many windows' worth of evidence there is.
    """

    members: Ints
    others: Ints
    independent: float
    length: int
    """Days of a window."""


@dataclass(frozen=True, slots=True, eq=False)
class Sides:
    """A column's counts: of the whole ``reference`` [bins], of its ``windows`` and of the ``others`` that each is compared with
    [windows, bins]."""

    reference: Ints
    windows: Ints
    others: Ints

    @property
    def rows(self) -> tuple[Floats, Floats]:
        """Of each window, and of what it is compared with."""
        return self.windows.sum(axis=1, dtype=np.float64), self.others.sum(axis=1, dtype=np.float64)

    @property
    def shares(self) -> tuple[Floats, Floats]:
        """Each bin's share of the rows of each window, and of what it is compared with."""
        return distances.shares(self.windows), distances.shares(self.others)


def sides_of(cells: Cells, days: Days, windows: Windows) -> Sides:
    """The counts of a column's values in the reference's windows."""
    counts = days.counts[:, cells.start : cells.missing]
    return Sides(counts.sum(axis=0), sums(windows.members, counts), sums(windows.others, counts))


def dense_days(specification: ProfileSpecification, daily: Sequence[Profile]) -> Days:
    """Put daily profiles side by side."""
    counts = np.zeros((len(daily), specification.cells), np.int64)
    positions = np.zeros_like(counts)
    for i, day in enumerate(daily):
        counts[i, day.cells] = day.counts
        positions[i, day.cells] = day.positions
    return Days(counts, positions)


def null_windows(days: int, window: int, against: int | None, seed: int) -> Windows:
    """Windows of ``window`` days out of ``days`` and what each is compared with: all its other days, or ``against`` of them
    (a run of that length, elsewhere), as many as the real reference has.
    """
    rng = np.random.default_rng(seed)
    independent = days / window
    if independent >= FEWEST:
        last = days - window
        # Windows that overlap say little new: MOST of them, evenly spread, carry what all would.
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
    """Windows of ``window`` days out of ``days``, each against the RECENT windows' days before it. None where the reference
    is too short for FEWEST of them: a week-to-week movement is not learnt from one or two."""
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
    """The days that a window is compared with: those more than ``gap`` days from any of its own, since its neighbours
    resemble it more than the reference will a window of later (h-block cross-validation: Racine 2000, J. Econometrics 99)."""
    days = members.shape[1]
    reach = np.abs(np.subtract.outer(np.arange(days), np.arange(days))) <= gap
    apart: Ints = (sums(members, reach.astype(np.int64)) == 0).astype(np.int64)
    return apart


def likeness(column: Column, cells: Cells, days: Days, window: int, seed: int) -> float:
    """How much a window resembles the next, 0 (no more than any other) to 1: 1 − the mean squared distance of neighbours over
    that of windows three or more apart. It plays the part of an autocorrelation, for columns of any kind."""
    part = slice(cells.start, cells.missing)
    starts = np.arange(0, len(days.counts) - window + 1, window)
    members = _runs(starts, window, len(days.counts))
    counts = sums(members, days.counts[:, part])
    kept = np.flatnonzero(counts.sum(axis=1))
    counts = counts[kept]
    if len(counts) < FEWEST:
        return 0.0
    first, second = np.triu_indices(len(counts), 3)
    if len(first) > _PAIRS:
        chosen = np.random.default_rng(seed).choice(len(first), _PAIRS, replace=False)
        first, second = first[chosen], second[chosen]
    distance = drift.ks_of_counts if isinstance(column, NumericColumn) else drift.jensen_shannon
    near = float(np.mean(distance(counts[:-1], counts[1:]) ** 2))
    far = float(np.mean(distance(counts[first], counts[second]) ** 2))
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
    """What a column is judged by: numbers by shape (KS) and distance (Wasserstein), categories by Jensen–Shannon."""
    return ("js",) if isinstance(column, CategoricalColumn) else ("ks", "wasserstein")


def measure(
    column: Column,
    reference: tuple[Ints, Ints],
    current: tuple[Ints, Ints],
    scale: float,
) -> dict[str, Floats]:
    """The statistics of ``statistics_for`` on (counts, positions) [..., bins]; ``scale`` as drift.scale_of gives it."""
    return _between(column, _side(column, reference), _side(column, current), scale)


def _side(column: Column, sample: tuple[Ints, Ints]) -> Any:
    """One side of a comparison, ready for any number of others: laid out where the column has edges, else the counts."""
    if isinstance(column, NumericColumn) and column.edges.size:
        return distances.lay(*distances.bin_sizes(column), *sample)
    return sample[0]


def _between(column: Column, reference: Any, current: Any, scale: float) -> dict[str, Floats]:
    if isinstance(column, NumericColumn) and column.edges.size:
        distance = distances.wasserstein_of_laid(distances.bin_sizes(column)[0], reference, current)
        return {
            "ks": distances.ks_of_laid(reference, current),
            "wasserstein": np.asarray(distance / scale, np.float64),
        }
    if isinstance(column, NumericColumn):  # without edges no value is known: there is no distance to speak of
        ks = drift.ks_of_counts(reference, current)
        return {"ks": ks, "wasserstein": np.full(np.shape(ks), np.nan)}
    return {"js": drift.jensen_shannon(reference, current)}


def null_values(
    column: Column,
    cells: Cells,
    days: Days,
    windows: Windows,
    sizes: Sequence[int],
    seed: int,
    *,
    thin_both: bool = False,
) -> dict[str, list[Floats]]:
    """Each statistic over the windows, thinned to each of ``sizes`` rows (0: as they are); ``thin_both``: what they are
    compared with to RECENT times as many, as the recent past of a window of that size has."""
    rng = np.random.default_rng(seed)
    part = slice(cells.start, cells.missing)
    counts, positions = days.counts[:, part], days.positions[:, part]
    current = sums(windows.members, counts), sums(windows.members, positions)
    reference = sums(windows.others, counts), sums(windows.others, positions)
    scale = 1.0
    if isinstance(column, NumericColumn):
        whole = Histogram(counts.sum(axis=0), positions.sum(axis=0), 0, 0.0, 0.0)
        scale = drift.scale_of(column, whole)
    found: dict[str, list[Floats]] = {name: [] for name in statistics_for(column)}
    whole_reference = _side(column, reference)
    for size in sizes:
        thinned = current if size == 0 else _thinned(current, size, rng)
        base = whole_reference
        if thin_both and size:
            base = _side(column, _thinned(reference, RECENT * size, rng))
        for name, values in _between(column, base, _side(column, thinned), scale).items():
            found[name].append(values)
    return found


def sums(members: Ints, of_days: Ints) -> Ints:
    """``members @ of_days``. In floating point, for which there is a fast routine; exact below 2**53."""
    if int(of_days.sum()) * int(members.max(initial=1)) >= 1 << 53:
        return members @ of_days
    product: Ints = (members.astype(np.float64) @ of_days.astype(np.float64)).astype(np.int64)
    return product


def chance_values(
    column: Column, reference: Histogram, rows: Sequence[int], seed: int, against: int | None = None
) -> list[dict[str, Floats]]:
    """For each number of ``rows`` each statistic of DRAWS samples (of categories CATEGORY_DRAWS) of so many rows against the
    same of ``against`` rows (all: the reference's size), all drawn from the reference."""
    rng = np.random.default_rng(seed)
    draws = CATEGORY_DRAWS if isinstance(column, CategoricalColumn) else DRAWS
    share = reference.counts / reference.present
    mean_position = reference.positions / np.maximum(reference.counts, 1)
    scale = drift.scale_of(column, reference) if isinstance(column, NumericColumn) else 1.0

    def draw(size: int) -> Any:
        counts = _multinomial(rng, size, share, draws)
        return _side(column, (counts, np.rint(counts * mean_position).astype(np.int64)))

    base = draw(against or reference.present)
    state = rng.bit_generator.state
    found = []
    for size in rows:
        rng.bit_generator.state = state  # what is found for one number does not depend on the others
        found.append(_between(column, base, draw(size), scale))
    return found


def _multinomial(rng: np.random.Generator, rows: int, share: Floats, draws: int) -> Ints:
    """Counts [draws, bins] of samples of ``rows`` rows; row by row where that is cheaper than bin by bin."""
    bins = len(share)
    if rows > bins:
        return rng.multinomial(rows, share, size=draws)
    level = np.cumsum(share)
    where = np.searchsorted(level / level[-1], rng.random((draws, rows)), side="right")
    flat = (where + bins * np.arange(draws)[:, None]).ravel()
    return np.bincount(flat, minlength=bins * draws).reshape(draws, bins)


def _thinned(current: tuple[Ints, Ints], size: int, rng: np.random.Generator) -> tuple[Ints, Ints]:
    """Each window with each row kept by chance, ``size`` of them on average; positions keep their bin's mean."""
    counts, positions = current
    total = counts.sum(axis=-1, keepdims=True)
    share = np.minimum(size / np.maximum(total, 1), 1.0)
    kept = rng.binomial(counts, np.broadcast_to(share, counts.shape))
    moved = np.rint(positions * (kept / np.maximum(counts, 1))).astype(np.int64)
    return kept, moved
