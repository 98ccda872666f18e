"""A regression's losses without truth: E[loss | row] as a sum of functions of each column's bin, learnt from held-out rows.

Because the model is additive over the bins of a profile, its mean over a window is a dot product of the window's histograms
with the functions: exact, whatever the number of events. It is fitted by cyclic boosting of shrunken bin means; blocks of
days left out in turn choose the number of rounds, none where nothing can be foretold (direct loss estimation then falls
back on the hold-out's own loss).
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from pilothouse.domain.errors import IntegrityError
from pilothouse.domain.evaluation import MetricValue

from . import intervals
from .arrays import AnyArray, Floats, Ints, frozen
from .encoding import pack, unpack
from .profile import Profile
from .specification import CategoricalColumn, ProfileSpecification

METRICS = ("mae", "rmse")
"""Their losses are the absolute and the squared error."""
ROUNDS = (0, 3, 8, 20, 50)
"""Numbers of rounds that are tried."""
BLOCKS = 5
RATE = 0.2
"""How much of a bin's mean residual a round takes over."""
SHRINKAGE = 20.0
"""A bin's mean counts as if this many rows had a residual of 0."""
NUMERIC_GROUPS, CATEGORY_GROUPS = 16, 24
"""Bins of a column are put together to at most so many groups of about equal mass (or most frequent categories)."""
DRAWS = 40
"""How often the held-out days are drawn again."""
MOST_ROWS = 10_000
"""Of more held-out rows a sample is taken."""
FEWEST_ROWS = 100


@dataclass(frozen=True, slots=True, eq=False)
class LossModel:
    """``groups`` (int64[cells]) puts each cell of a profile into a group. ``tables`` gives, for each of METRICS, the function's
    value by group, float64[1 + draws, groups], the first from all days; ``constants`` float64[1 + draws] is added.

    ``rounds`` were chosen (0: no skill), ``skill`` is the share of the left-out losses' variance that is explained, ``spread``
    the deviation of a row's loss about the model, ``dispersion`` how many times days vary more than their rows would, at
    days of ``rows_a_day`` rows; ``days`` were held out. Losses are in units of the specification's scale (and its square).
    """

    groups: Ints
    tables: dict[str, Floats]
    constants: dict[str, Floats]
    rounds: dict[str, int]
    skill: dict[str, float]
    spread: dict[str, float]
    dispersion: dict[str, float]
    rows_a_day: float
    days: int


def learn_losses(
    specification: ProfileSpecification, days: Ints, cells: Ints, errors: Floats, *, seed: int = 0
) -> LossModel | None:
    """Fit on held-out rows: ``days`` int64[n], ``cells`` int64[columns, n] (``profile.cells_of``), ``errors`` float64[n] of
    prediction minus truth. None with fewer than FEWEST_ROWS usable rows or two days.
    """
    chance = np.random.default_rng(seed)
    usable = np.flatnonzero(np.isfinite(errors))
    if len(usable) > MOST_ROWS:
        usable = np.sort(chance.choice(usable, MOST_ROWS, replace=False))
    dates, day = np.unique(days[usable], return_inverse=True)
    if len(usable) < FEWEST_ROWS or len(dates) < 2:
        return None
    groups = _groups(specification, cells[:, usable])
    placed, error = groups[cells[:, usable]], errors[usable] / specification.scale
    sizes = np.bincount(day).astype(np.float64)
    held = float((sizes**2).sum() / sizes.sum())
    model = LossModel(groups, {}, {}, {}, {}, {}, {}, held, len(dates))
    draws = [
        np.ones(len(day)),
        *(
            drawn[day].astype(np.float64)
            for drawn in chance.multinomial(len(dates), np.full(len(dates), 1 / len(dates)), size=DRAWS)
        ),
    ]
    for metric, loss in (("mae", np.abs(error)), ("rmse", error**2)):
        rounds, skill, left_out = _choose(placed, loss, day, int(groups.max()) + 1)
        fits = [_fit(placed, loss, weights, rounds, int(groups.max()) + 1) for weights in draws]
        model.constants[metric] = frozen(np.array([constant for constant, _ in fits]))
        model.tables[metric] = frozen(np.array([table for _, table in fits]))
        model.rounds[metric], model.skill[metric] = rounds, skill
        model.spread[metric] = float(np.std(left_out))
        together = np.bincount(day, weights=left_out - left_out.mean())
        model.dispersion[metric] = max(
            1.0, float((together**2).sum() / max(((left_out - left_out.mean()) ** 2).sum(), 1e-300))
        )
    return model


def estimate_loss(
    specification: ProfileSpecification,
    model: LossModel,
    window: Profile,
    metric: str,
    *,
    rows_a_day: float,
    confidence: float = 0.95,
) -> MetricValue:
    """MAE or RMSE of a window, with its band; NaN without rows. ``rows_a_day`` as for ``estimate_from_scores``."""
    if not window.rows:
        return MetricValue(metric, math.nan, math.nan, math.nan, 0)
    counts = np.bincount(
        model.groups[window.cells], weights=window.counts, minlength=model.tables[metric].shape[1]
    )
    means = model.constants[metric] + model.tables[metric] @ (counts / window.rows)
    mean, learnt = float(means[0]), float(np.var(means[1:])) * model.days / (model.days - 1)
    hang = 1.0 + (model.dispersion[metric] - 1.0) * rows_a_day / model.rows_a_day
    error = math.sqrt(learnt + model.spread[metric] ** 2 * hang / window.rows)
    factor = intervals.quantile(confidence, model.days)
    low, high = max(mean - factor * error, 0.0), mean + factor * error
    of: Callable[[float], float] = math.sqrt if metric == "rmse" else float
    scaled = [specification.scale * of(max(value, 0.0)) for value in (mean, low, high)]
    return MetricValue(metric, scaled[0], scaled[1], scaled[2], window.rows)


def encode(model: LossModel) -> bytes:
    """Compact bytes of what was learnt."""
    header = {
        "rounds": model.rounds,
        "skill": model.skill,
        "spread": model.spread,
        "dispersion": model.dispersion,
        "rows_a_day": model.rows_a_day,
        "days": model.days,
    }
    arrays: dict[str, AnyArray] = {"groups": model.groups}
    for metric in METRICS:
        arrays[f"{metric} table"] = model.tables[metric].astype(np.float32).astype(np.float64).ravel()
        arrays[f"{metric} constant"] = model.constants[metric]
    return pack("L", header, arrays)


def decode(specification: ProfileSpecification, data: bytes) -> LossModel:
    """Read what ``encode`` wrote. Raises IntegrityError."""
    header, arrays = unpack("L", data)
    try:
        constants = {metric: arrays[f"{metric} constant"] for metric in METRICS}
        tables = {metric: arrays[f"{metric} table"].reshape(len(constants[metric]), -1) for metric in METRICS}
        groups = arrays["groups"]
        if len(groups) != specification.cells or int(groups.max()) >= tables["mae"].shape[1]:
            raise ValueError("groups out of range")
        return LossModel(
            groups,
            tables,
            constants,
            dict(header["rounds"]),
            dict(header["skill"]),
            dict(header["spread"]),
            dict(header["dispersion"]),
            float(header["rows_a_day"]),
            int(header["days"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise IntegrityError(
            f"stored estimates of losses are damaged: {error!r}; train the version again"
        ) from None


def _groups(specification: ProfileSpecification, cells: Ints) -> Ints:
    """The group of each cell of a profile, int64[cells], by how the held-out rows lie."""
    groups, first = np.zeros(specification.cells, np.int64), 0
    for i, column in enumerate(specification.columns):
        where = specification.layout[column.name]
        counts = np.bincount(cells[i] - where.start, minlength=where.bins + 1)[: where.bins]
        if isinstance(column, CategoricalColumn):
            rank = np.argsort(np.argsort(-counts, kind="stable"), kind="stable")
            own = np.minimum(rank, CATEGORY_GROUPS - 1)
        else:
            centre = np.cumsum(counts) - 0.5 * counts
            cut = np.floor(centre / max(counts.sum(), 1) * NUMERIC_GROUPS).astype(np.int64)
            own = np.unique(np.clip(cut, 0, NUMERIC_GROUPS - 1), return_inverse=True)[1]
        groups[where.start : where.start + where.bins] = first + own
        groups[where.missing] = first + int(own.max()) + 1
        first = int(groups[where.missing]) + 1
    return groups


def _fit(placed: Ints, loss: Floats, weights: Floats, rounds: int, groups: int) -> tuple[float, Floats]:
    """The constant and the function's value by group, after so many rounds."""
    constant = float(np.average(loss, weights=weights))
    table = np.zeros(groups)
    left = loss - constant
    masses = [np.bincount(column, weights=weights, minlength=groups) for column in placed]
    for _ in range(rounds):
        for column, mass in zip(placed, masses, strict=True):
            step = RATE * np.bincount(column, weights=weights * left, minlength=groups) / (mass + SHRINKAGE)
            table += step
            left = left - step[column]
    return constant, table


def _choose(placed: Ints, loss: Floats, day: Ints, groups: int) -> tuple[int, float, Floats]:
    """The number of rounds by left-out blocks of days, what share of the variance it explains, and the left-out residuals."""
    days = int(day.max()) + 1
    block = (day * min(BLOCKS, days)) // days
    residuals = {rounds: np.zeros(len(loss)) for rounds in ROUNDS}
    for i in range(int(block.max()) + 1):
        out = block == i
        for rounds in ROUNDS:
            constant, table = _fit(placed[:, ~out], loss[~out], np.ones(int((~out).sum())), rounds, groups)
            residuals[rounds][out] = loss[out] - constant - table[placed[:, out]].sum(axis=0)
    squares = {rounds: float(np.mean(left**2)) for rounds, left in residuals.items()}
    best = min(ROUNDS, key=lambda rounds: squares[rounds])
    return best, 1.0 - squares[best] / max(squares[0], 1e-300), residuals[best]
