"""Direct loss estimation for a regression: E[loss | row] as a sum of functions of each column, learnt from held-out
rows.

Its mean over a window is read from the window's histograms (``additive_model``). Blocks of days left out in turn
choose how smooth the functions are; where no column predicts the loss, the estimate is the hold-out's own loss.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from pilothouse.domain.errors import IntegrityError
from pilothouse.domain.models.evaluation import MetricValue
from pilothouse.statistics.arrays import AnyArray, Floats, Ints, frozen
from pilothouse.statistics.encoding import pack, unpack
from pilothouse.statistics.estimation.additive_model import (
    Basis,
    Moments,
    basis_of,
    fit,
    moments_of,
    squared_error,
    weigh,
)
from pilothouse.statistics.performance import intervals
from pilothouse.statistics.profiles.profile import Profile
from pilothouse.statistics.profiles.specification import ProfileSpecification

METRICS = ("mae", "rmse")
"""Metrics whose loss is the absolute and the squared error."""
BENDING = (3.0, 30.0, 300.0, 3_000.0)
"""Penalties of a second difference that are tried, in rows."""
KNOTS, STEPS = 6, 16
"""Knots of a number's linear function, and steps of its step function, at most: few knots carry it far into a thin tail, and
steps follow where it jumps."""
RIDGES = (1.0, 10.0, 100.0)
"""Penalties of each value that are tried, in rows."""
BLOCKS = 5
"""Blocks of consecutive days that are left out in turn."""
DRAWS = 40
"""Resamples of the held-out days."""
MOST_ROWS = 10_000
"""Held-out rows above which a random sample of so many is taken."""
FEWEST_ROWS = 100
"""Held-out rows below which nothing is learnt."""


@dataclass(frozen=True, slots=True, eq=False)
class LossFunction:
    """Expected loss as a function of a row. ``tables`` gives the value of each of the basis's terms, float64[1 +
    draws, terms], the first from all days; ``constants`` float64[1 + draws] is added. In units of the specification's
    scale, for ``rmse`` of its square.

    ``skill`` is the share of the left-out losses' variance that is explained (0: a constant alone), ``spread`` the
    standard deviation of a row's loss about the function, ``dispersion`` the factor by which days vary more than
    independent rows would (1 or more).
    """

    basis: Basis
    tables: Floats
    constants: Floats
    skill: float
    spread: float
    dispersion: float


@dataclass(frozen=True, slots=True, eq=False)
class LossModel:
    """Loss functions of each of METRICS, learnt from ``days`` days of ``rows_a_day`` rows (Σn²/Σn)."""

    functions: dict[str, LossFunction]
    rows_a_day: float
    days: int


def learn_losses(
    specification: ProfileSpecification, days: Ints, cells: Ints, errors: Floats, *, seed: int = 0
) -> LossModel | None:
    """Loss model fitted on held-out rows: ``days`` int64[n], ``cells`` int64[columns, n] (``profile.cells_of``),
    ``errors`` float64[n] of prediction minus outcome, in the outcome's unit. Errors that are not finite are left out;
    None for fewer than FEWEST_ROWS usable rows or two days. Deterministic for a ``seed``.

    Penalties are chosen by the squared error of the loss on left-out blocks of days; the fit's error is that of a
    bootstrap of days.
    """
    rng = np.random.default_rng(seed)
    usable = np.flatnonzero(np.isfinite(errors))
    if len(usable) > MOST_ROWS:
        usable = np.sort(rng.choice(usable, MOST_ROWS, replace=False))
    dates, day = np.unique(days[usable], return_inverse=True)
    if len(usable) < FEWEST_ROWS or len(dates) < 2:
        return None
    # by day, so that a day, and a block of days, is a slice of the rows
    order = np.argsort(day, kind="stable")
    placed, error = cells[:, usable[order]], errors[usable[order]] / specification.scale
    sizes = np.bincount(day)
    bases = [basis_of(specification, placed, KNOTS), basis_of(specification, placed, STEPS, steps=True)]
    designs = [basis.design(placed) for basis in bases]
    draws = rng.multinomial(len(dates), np.full(len(dates), 1 / len(dates)), size=DRAWS)
    weights = np.concatenate((np.ones((1, len(dates))), draws)).astype(np.float64)
    functions = {
        metric: _learn(bases, designs, loss, sizes, weights)
        for metric, loss in (("mae", np.abs(error)), ("rmse", error**2))
    }
    return LossModel(functions, float((sizes.astype(np.float64) ** 2).sum() / sizes.sum()), len(dates))


Penalties = tuple[float, float] | None
"""Penalties of second differences and of values; None for a constant alone."""


def _learn(
    bases: list[Basis], designs: list[Floats], loss: Floats, sizes: Ints, weights: Floats
) -> LossFunction:
    """Loss function with the basis and the penalties that predict left-out blocks of days best, fitted on each
    resample of the days."""
    splits = np.split(np.arange(len(loss)), np.cumsum(sizes)[:-1])
    parts = [[moments_of(design[rows], loss[rows]) for rows in splits] for design in designs]
    tried: list[tuple[int, Penalties]] = [
        (0, None),
        *((0, (bending, ridge)) for bending in BENDING for ridge in RIDGES),
        *((1, (0.0, ridge)) for ridge in RIDGES),
    ]
    errors = {(i, penalties): _left_out_error(bases[i], parts[i], penalties) for i, penalties in tried}
    best = min(tried, key=lambda choice: errors[choice])
    basis, own, penalties = bases[best[0]], parts[best[0]], best[1]
    fits = [_fit(basis, weigh(own, drawn), penalties) for drawn in weights]
    left_out = _left_out(basis, own, penalties, designs[best[0]], loss)
    about = left_out - left_out.mean()
    # squared sums of days over the sum of squares: 1 for independent rows, more where errors of one day are
    # correlated
    together = np.add.reduceat(about, np.cumsum(sizes) - sizes)
    return LossFunction(
        basis,
        frozen(np.array([table for _, table in fits])),
        frozen(np.array([constant for constant, _ in fits])),
        1.0 - errors[best] / max(errors[0, None], 1e-300),
        float(np.std(left_out)),
        max(1.0, float((together**2).sum() / max((about**2).sum(), 1e-300))),
    )


def _fit(basis: Basis, rows: Moments, penalties: Penalties) -> tuple[float, Floats]:
    if penalties is None:
        return rows.outcome / rows.size, np.zeros(basis.terms)
    return fit(basis, rows, *penalties)


def _blocks(days: int) -> list[AnyArray]:
    """Masks bool[days] of each block of days."""
    block = np.arange(days) * min(BLOCKS, days) // days
    return [block == i for i in range(int(block[-1]) + 1)]


def _left_out_error(basis: Basis, parts: list[Moments], penalties: Penalties) -> float:
    return math.fsum(
        squared_error(weigh(parts, out), *_fit(basis, weigh(parts, ~out), penalties))
        for out in _blocks(len(parts))
    )


def _left_out(
    basis: Basis, parts: list[Moments], penalties: Penalties, design: Floats, loss: Floats
) -> Floats:
    """Residual of each row where its block of days was left out, float64[n]."""
    residuals, first = np.empty(len(loss)), 0
    for out in _blocks(len(parts)):
        constant, table = _fit(basis, weigh(parts, ~out), penalties)
        rows = slice(first, first := first + int(weigh(parts, out).size))
        residuals[rows] = loss[rows] - constant - design[rows] @ table
    return residuals


def estimate_loss(
    specification: ProfileSpecification,
    model: LossModel,
    window: Profile,
    metric: str,
    *,
    rows_a_day: float,
    confidence: float = 0.95,
) -> MetricValue:
    """Estimated MAE or RMSE of a window in the outcome's unit, with its band at ``confidence``; NaN without rows.
    ``rows_a_day`` is as for ``estimate_from_scores``.

    Own construction: variance = variance over the resampled fits + spread² × overdispersion of days / rows; bounds
    are Student's t times its root with ``model.days`` − 1 degrees, for RMSE the roots of the bounds of the mean
    square.
    """
    if not window.rows:
        return MetricValue(metric, math.nan, math.nan, math.nan, 0)
    function = model.functions[metric]
    means = (
        function.constants
        + function.tables @ function.basis.masses(window.cells, window.counts) / window.rows
    )
    mean, learnt = float(means[0]), float(np.var(means[1:])) * model.days / (model.days - 1)
    hang = 1.0 + (function.dispersion - 1.0) * rows_a_day / model.rows_a_day
    error = math.sqrt(learnt + function.spread**2 * hang / window.rows)
    factor = intervals.quantile(confidence, model.days)
    low, high = max(mean - factor * error, 0.0), mean + factor * error
    of: Callable[[float], float] = math.sqrt if metric == "rmse" else float
    scaled = [specification.scale * of(max(value, 0.0)) for value in (mean, low, high)]
    return MetricValue(metric, scaled[0], scaled[1], scaled[2], window.rows)


def encode(model: LossModel) -> bytes:
    """Bytes of a loss model (kind "L"); tables are rounded to float32."""
    of = model.functions
    header = {
        "skill": {metric: of[metric].skill for metric in METRICS},
        "spread": {metric: of[metric].spread for metric in METRICS},
        "dispersion": {metric: of[metric].dispersion for metric in METRICS},
        "rows_a_day": model.rows_a_day,
        "days": model.days,
    }
    arrays: dict[str, AnyArray] = {}
    for metric, function in of.items():
        arrays[f"{metric} groups"], arrays[f"{metric} shares"] = function.basis.first, function.basis.share
        arrays[f"{metric} table"] = function.tables.astype(np.float32).astype(np.float64).ravel()
        arrays[f"{metric} constant"] = function.constants
    return pack("L", header, arrays)


def decode(specification: ProfileSpecification, data: bytes) -> LossModel:
    """Loss model from the bytes that ``encode`` wrote, also before a cell could lie between two terms. Raises
    IntegrityError for damaged bytes or another number of cells than the specification's."""
    header, arrays = unpack("L", data)
    try:
        functions = {}
        for metric in METRICS:
            constants = arrays[f"{metric} constant"]
            tables = arrays[f"{metric} table"].reshape(len(constants), -1)
            first = arrays.get(f"{metric} groups", arrays.get("groups", np.empty(0, np.int64)))
            share = arrays.get(f"{metric} shares", np.zeros(len(first)))
            if not len(first) == len(share) == specification.cells or int(first.max()) >= tables.shape[1]:
                raise ValueError("groups out of range")
            functions[metric] = LossFunction(
                Basis(first, share, tables.shape[1]), tables, constants,
                *(float(header[name][metric]) for name in ("skill", "spread", "dispersion")),
            )  # fmt: skip
        return LossModel(functions, float(header["rows_a_day"]), int(header["days"]))
    except (KeyError, TypeError, ValueError) as error:
        raise IntegrityError(
            f"stored estimates of losses are damaged: {error!r}; train the version again"
        ) from None
