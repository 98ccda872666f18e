"""Settings of a first model file that follow from how many rows there are and from a quick fit. Each has a reason."""

import math
from dataclasses import dataclass, field

from pilothouse.domain.errors import InvalidInputError
from pilothouse.domain.models.dataclass_reader import format_duration
from pilothouse.domain.models.evaluation import LEAKAGE_MEASURES, MetricValue
from pilothouse.domain.models.model_guesses import Guess
from pilothouse.domain.models.model_spec import (
    PRIMARY_METRIC,
    ComparisonGate,
    DataGate,
    Task,
    higher_is_better,
)
from pilothouse.domain.tables.column_facts import ColumnFacts, TimeFacts

_MINUTE, _HOUR, _DAY, _WEEK = 60, 3_600, 86_400, 7 * 86_400
_HELD_OUT = 80
"""Percentile of the times from which rows are held out."""
_DENSE_DAY = 1_000
"""Rows a day from which a window of a day is enough."""
_MINIMUM_ROWS = 300
_FEWEST_ROWS = 30
_SMALL = 1_000
"""Training rows below which a linear model is fitted: trees need more."""
_NATIVE = 200
"""Categories of a feature up to which boosted trees are asked to split on them: they take 255, and more may come."""
_LEAK = 0.98
_DECIMALS = 1_000


@dataclass(frozen=True, slots=True)
class QuickFit:
    """Result of a quick fit; ``error`` says why there is none. ``leakage``: score of each feature alone."""

    metrics: tuple[MetricValue, ...] = ()
    training_rows: int = 0
    holdout_rows: int = 0
    duplicates: float = 0.0
    """Share of rows that repeat another."""
    leakage: dict[str, float] = field(default_factory=dict)
    p95_ms: float = 0.0
    seconds: float = 0.0
    error: str = ""

    def metric(self, name: str) -> MetricValue | None:
        """The metric of all held-out rows."""
        return next((m for m in self.metrics if m.metric == name and not m.slice), None)


@dataclass(frozen=True, slots=True)
class Windows:
    """Windows of the monitor, in seconds, and the rows that one needs for a verdict."""

    window: int
    performance_window: int
    performance_step: int
    minimum_rows: int
    silence: int
    reason: str
    silence_reason: str


def holdout(times: TimeFacts) -> Guess[int]:
    """Seconds of the newest rows that are held out: about a fifth of the rows. Raises InvalidInputError where all rows have
    one time."""
    if times.span_s <= 0:
        raise InvalidInputError(
            f"all rows have one time, {times.first:%Y-%m-%d %H:%M}: nothing is newer, to be held out"
        )
    unit = _DAY if times.span_s >= 14 * _DAY else _HOUR if times.span_s >= 14 * _HOUR else _MINUTE
    newest = (times.last - times.percentiles[_HELD_OUT]).total_seconds()
    seconds = max(unit, math.ceil(newest / unit) * unit)
    if seconds >= times.span_s:
        seconds = max(1, int(times.span_s / 5))
    share = sum(1 for time in times.percentiles if (times.last - time).total_seconds() < seconds) / len(
        times.percentiles
    )
    return Guess(seconds, f"the newest {share:.0%} of rows, of {_span(times.span_s)} in all")


def windows(times: TimeFacts, rows: int) -> Windows:
    """Windows that hold enough rows at the rate of the file."""
    a_day = rows / max(times.span_s / _DAY, 1.0)
    a_week = 7 * a_day
    if a_day >= _DENSE_DAY:
        days, performance_days = 1, 7
    elif a_week >= 100:
        days, performance_days = 7, 28
    else:
        days, performance_days = 28, 84
    expected = days * a_day
    minimum = _MINIMUM_ROWS if expected >= 2 * _MINIMUM_ROWS else max(_FEWEST_ROWS, int(0.06 * expected) * 10)
    reason = f"{_count(a_week)} rows a week: {_count(expected)} in {format_duration(days * _DAY)}"
    if expected < _FEWEST_ROWS:
        reason += "; that is few, and windows are judged together until they hold enough"
    gap = _DAY / a_day if a_day else float(_WEEK)
    silence = next((s for s in (_HOUR, 6 * _HOUR, _DAY, 3 * _DAY, _WEEK) if s >= 12 * gap), 4 * _WEEK)
    return Windows(
        days * _DAY,
        performance_days * _DAY,
        days * _DAY,
        minimum,
        silence,
        reason,
        f"a row every {_span(gap)} on average",
    )


def estimator(task: Task, training_rows: int) -> tuple[Guess[str], dict[str, str | int | float | bool]]:
    """Estimator and its parameters."""
    if training_rows < _SMALL:
        name = "linear_model.Ridge" if task == "regression" else "linear_model.LogisticRegression"
        reason = f"{training_rows:,} rows to train on are few: a linear model"
        return Guess(f"sklearn.{name}", reason), {} if task == "regression" else {"max_iter": 1_000}
    name = f"ensemble.HistGradientBoosting{'Regressor' if task == 'regression' else 'Classifier'}"
    parameters: dict[str, str | int | float | bool] = {
        "max_iter": 150,
        "learning_rate": 0.1,
        "early_stopping": False,
    }
    return Guess(f"sklearn.{name}", "takes missing values and categories as they are"), parameters


def preprocessing(training_rows: int, most_categories: int) -> dict[str, Guess[str]]:
    """What is done to the features before that estimator, written out. ``most_categories``: of any one feature."""
    if training_rows < _SMALL:
        why = "a linear model takes no missing values"
        names = ("median", why), ("standard", "and weighs features by their scale"), ("one-hot", "")
    else:
        few = most_categories <= _NATIVE
        split = "splits on sets of categories" if few else "native for features of few categories"
        names = ("none", "takes missing values itself"), ("none", ""), ("native" if few else "auto", split)
    return {
        key: Guess(value, reason)
        for key, (value, reason) in zip(("impute", "scale", "categories"), names, strict=True)
    }


def leaks(fit: QuickFit, task: Task) -> dict[str, str]:
    """Features that alone tell the target, with the reason to leave them out."""
    measure = LEAKAGE_MEASURES[task]
    return {
        name: f"alone tells the target ({measure} {score:.3f}): put it back if it is known when the model is asked"
        for name, score in fit.leakage.items()
        if score >= _LEAK
    }


def metric_bounds(task: Task, fit: QuickFit) -> list[tuple[str, str, float, str]]:
    """Bounds on the hold-out: metric, ``minimum`` or ``maximum``, the bound and its reason. None on R² where the quick fit
    is no better than the mean."""
    names = [PRIMARY_METRIC[task], *(["r2"] if task == "regression" else [])]
    values = [value for name in names if (value := fit.metric(name)) is not None]
    return [_bound(value) for value in values if value.metric != "r2" or value.value > 0]


def weakness(task: Task, fit: QuickFit) -> str:
    """What to say of a quick fit that is hardly better than no model at all; empty for another."""
    if task == "regression":
        value = fit.metric("r2")
        if value is not None and value.low <= 0:
            return _not_shown("the mean of all rows", "R²", value)
        return ""
    value = fit.metric("auc")
    if value is not None and value.low <= 0.5:
        return _not_shown("chance", "AUC", value)
    return ""


def _not_shown(floor: str, name: str, value: MetricValue) -> str:
    return (
        f"not shown to be better than {floor} ({name} {value.value:.2g}, {value.low:.2g} to {value.high:.2g} on "
        f"{value.rows:,} rows): look for more rows, other features, or another target"
    )


def _bound(value: MetricValue) -> tuple[str, str, float, str]:
    reached = f"the quick fit reached {value.value:.4g} ({value.low:.4g} to {value.high:.4g}) on {value.rows:,} held-out rows"
    if higher_is_better(value.metric):
        worst = value.value - 2 * (value.value - value.low)
        floor = 0.5 if value.metric == "auc" else 0.0
        if worst < floor <= value.value:
            return value.metric, "minimum", floor, f"{reached}; no better than that is no better than chance"
        return (
            value.metric,
            "minimum",
            math.floor(worst * _DECIMALS) / _DECIMALS,
            f"{reached}; twice its margin below",
        )
    worst = value.value + 2 * (value.high - value.value)
    return value.metric, "maximum", _rounded_up(worst), f"{reached}; twice its margin above"


def comparison(task: Task, fit: QuickFit) -> tuple[Guess[float], int]:
    """Margin within which a challenger is not worse than what is live, and the rows that the comparison needs."""
    default = ComparisonGate()
    minimum = (
        min(default.minimum_rows, max(50, fit.holdout_rows // 2))
        if fit.holdout_rows
        else default.minimum_rows
    )
    value = fit.metric(PRIMARY_METRIC[task])
    if task != "regression" or value is None or value.value <= 0:
        return Guess(default.margin, f"in units of {PRIMARY_METRIC[task]}"), minimum
    return Guess(_rounded_up(0.02 * value.value), f"2 % of the quick fit's {PRIMARY_METRIC[task]}"), minimum


def latency_ms(fit: QuickFit) -> Guess[float]:
    """Budget of one row."""
    budget = max(50.0, _rounded_up(10 * fit.p95_ms))
    return Guess(
        budget, f"the quick fit's 95th percentile is {fit.p95_ms:.2g} ms for one row, on this machine"
    )


def fewest_rows(rows: int) -> Guess[float]:
    """Rows that a training needs, of a source that has so many today."""
    return Guess(
        _two_digits_down(rows / 2),
        f"a guess, half of today's {rows:,} rows: a source that was cut off is refused",
    )


def data_bounds(rows: int, columns: list[ColumnFacts], fit: QuickFit) -> dict[str, Guess[float]]:
    """Bounds on the rows themselves that differ from the defaults."""
    default = DataGate()
    bounds: dict[str, Guess[float]] = {}
    bounds["minimum_rows"] = fewest_rows(rows)
    worst = max(columns, key=lambda column: column.missing / max(1, column.rows))
    share = worst.missing / max(1, worst.rows)
    if share > 0.8 * default.maximum_missing:
        bounds["maximum_missing"] = Guess(
            min(0.99, math.ceil(share * 10 + 1) / 10), f"{worst.name} is missing in {share:.0%} of rows"
        )
    if fit.duplicates > 0.5 * default.maximum_duplicates:
        bounds["maximum_duplicates"] = Guess(
            min(1.0, _rounded_up(2 * fit.duplicates)), f"{fit.duplicates:.1%} of rows repeat another"
        )
    return bounds


def _rounded_up(value: float) -> float:
    """Two significant digits, upwards: 41.37 → 42."""
    if value <= 0:
        return 0.0
    unit = 10.0 ** (math.floor(math.log10(value)) - 1)
    return float(f"{math.ceil(round(value / unit, 6)) * unit:.6g}")


def _two_digits_down(value: float) -> int:
    if value < 100:
        return max(1, int(value))
    unit: int = 10 ** (int(math.log10(value)) - 1)
    return int(value) // unit * unit


def _count(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 else f"{value:.1f}"


def _span(seconds: float) -> str:
    for unit, size in (("days", _DAY), ("hours", _HOUR), ("minutes", _MINUTE)):
        if seconds >= 2 * size:
            return f"{seconds / size:,.0f} {unit}"
    return f"{seconds:.3g} seconds"
