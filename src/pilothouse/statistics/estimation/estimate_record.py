"""An estimate corrected by its own record: what was estimated for earlier windows, and what their outcomes said since.

Forecasts of a window's metric compete: nothing has changed (the reference), the estimate from inputs, what was measured lately,
and the estimate from inputs less its errors of late. Their mean is weighted by how each would have done in the windows of the
record, and the band is as wide as the mean would have erred. Everything is computed anew from the record, in the order
of time and with what was known at the time of each window, so that the result is a function of stored figures.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from pilothouse.domain.models.evaluation import MetricValue
from pilothouse.domain.models.model_spec import higher_is_better
from pilothouse.statistics.arrays import Floats

FORECASTS = {
    "unchanged": 1 / 4,
    "inputs": 1 / 4,
    "measured": 1 / 8,
    "corrected": 1 / 8,
    "last": 1 / 8,
    "last corrected": 1 / 8,
}
"""Weights without a record: the reference; the estimate from inputs; the level measured, and the same estimate less its errors,
on average of late and in the last window that is known."""
HALF_LIFE = 4.0
"""Windows of the record after which what one says counts half."""
PRIOR_WINDOWS = 1.0
"""Windows that count for the reference, and for the variance that sampling allows, before there is a record."""
DEGREES = 4.0
"""Degrees of freedom of the band without a record."""
STEP = 0.1
"""Step by which one window of the record moves the level of the band: γ of adaptive conformal inference."""
LEAST_LEVEL = 0.001
"""Least level of the band: what is left outside it."""
LARGEST_LEVEL = 0.5
"""Largest level of the band."""
A_LENGTH = 4
"""Windows of the record in the length of one, at most: those that overlap more say nothing new."""
MOST_WINDOWS = 48
"""Windows of the record at most: older ones hardly count."""
_EDGE = 1e-4
"""Least distance of a share from 0 and 1, and of a loss from 0 as a share of the reference."""


@dataclass(frozen=True, slots=True)
class EstimatedWindow:
    """A window that ends at ``end``, of ``length``, in one unit of time; ``inputs`` is the estimate from inputs and scores.

    ``measured`` is the figure by outcomes, NaN while they are not known. ``lost``: it was found significantly worse.
    """

    end: float
    length: float
    inputs: MetricValue
    measured: float = math.nan
    lost: bool = False


@dataclass(frozen=True, slots=True)
class RecordedEstimate:
    """An estimate with its band, the weights of the FORECASTS, and how many windows of the record it learnt from.

    ``explained`` is what inputs alone explain, with the band of its errors on record.
    """

    value: MetricValue
    explained: MetricValue
    weights: dict[str, float] = field(default_factory=dict)
    windows: int = 0


def correct(
    window: EstimatedWindow,
    record: Sequence[EstimatedWindow],
    reference: MetricValue,
    *,
    delay: float,
    step: float,
    confidence: float = 0.95,
) -> RecordedEstimate:
    """The estimate of a window by the ``record`` of earlier ones, one every ``step``. A window is known at the end of another
    where it ended before, by ``delay`` or more; the others of the record, and what their outcomes say, are not looked at.
    Without a reference the estimate from inputs stands.

    Dynamic model averaging (Raftery, Kárný and Ettler 2010, Technometrics 52:52) with the marginal likelihood of a normal law
    of unknown variance as weight; the level of the band follows adaptive conformal inference (Gibbs and Candès 2021, NeurIPS).
    """
    inputs = window.inputs
    if not math.isfinite(reference.value) or not math.isfinite(inputs.value):
        return RecordedEstimate(inputs, inputs)
    scale = _Scale(inputs.metric, reference.value)
    chosen = _chosen(window, record, delay)
    half_life = HALF_LIFE * max(step, window.length / A_LENGTH)
    steps = [*chosen, window]
    ends = np.array([part.end for part in steps])
    estimates = np.array([scale.put(part.inputs.value) for part in steps])
    sampling = np.array([scale.error(part.inputs) ** 2 for part in steps]) + scale.error(reference) ** 2
    measured = np.array([scale.put(part.measured) for part in chosen])
    base = scale.put(reference.value)
    forecasts = np.empty((len(steps), len(FORECASTS)))
    means, misses = np.empty(len(steps)), np.zeros(len(steps), bool)
    for i in range(len(steps)):
        known = np.flatnonzero(ends[:i] + delay <= ends[i])
        aged = 0.5 ** ((ends[i] - ends[known]) / half_life)
        count, y = float(aged.sum()), measured[known]
        level = (PRIOR_WINDOWS * base + aged @ y) / (PRIOR_WINDOWS + count)
        error = aged @ (y - estimates[known]) / (PRIOR_WINDOWS + count)
        last = known[-1:]  # before there is a record, the reference and the estimate stand in
        newest = float(measured[last][0]) if len(last) else base
        newest_error = newest - float(estimates[last][0]) if len(last) else 0.0
        forecasts[i] = (
            base, estimates[i], level, estimates[i] + error, newest, estimates[i] + newest_error
        )  # fmt: skip
        weights = _weights(aged, y[:, None] - forecasts[known], PRIOR_WINDOWS * sampling[i])
        means[i] = weights @ forecasts[i]
        disagreement = float(weights @ (forecasts[i] - means[i]) ** 2)
        variance = PRIOR_WINDOWS * (sampling[i] + disagreement) + aged @ (y - means[known]) ** 2
        width = math.sqrt(variance / (PRIOR_WINDOWS + count))
        width *= _quantile(DEGREES + count, _level(1 - confidence, misses[known]))
        if i < len(chosen):
            misses[i] = abs(measured[i] - means[i]) > width
    middle = float(means[-1])
    low, high = scale.back(middle - width), scale.back(middle + width)
    value = MetricValue(inputs.metric, scale.back(middle), low, high, inputs.rows)
    named = {name: float(weight) for name, weight in zip(FORECASTS, weights, strict=True)}
    usual = [past for past in chosen if not past.lost]
    return RecordedEstimate(
        value, _explained(window, usual, scale, half_life, confidence), named, len(chosen)
    )


def _chosen(
    window: EstimatedWindow, record: Sequence[EstimatedWindow], delay: float
) -> list[EstimatedWindow]:
    """Windows of the record that were known at the end of a window, the newest and those before it that do not overlap too
    much, oldest first."""
    latest = window.end - delay
    chosen: list[EstimatedWindow] = []
    for past in sorted(record, key=lambda past: -past.end):
        usable = math.isfinite(past.measured) and math.isfinite(past.inputs.value)
        if usable and past.end <= latest and past.end < window.end:
            chosen.append(past)
            latest = past.end - window.length / A_LENGTH
    return chosen[:MOST_WINDOWS][::-1]


def _weights(aged: Floats, errors: Floats, prior: float) -> Floats:
    """Weight of each forecast, float64[forecasts], from its ``errors`` float64[windows, forecasts] and a prior sum of
    squares: that of FORECASTS · (prior + Σ aged·error²)^(−(PRIOR_WINDOWS + Σ aged)/2)."""
    logs = np.log(list(FORECASTS.values())) - 0.5 * (PRIOR_WINDOWS + float(aged.sum())) * np.log(
        prior + aged @ errors**2
    )
    weights = np.exp(logs - logs.max())
    return np.asarray(weights / weights.sum(), np.float64)


def _level(nominal: float, misses: Sequence[bool] | np.ndarray) -> float:
    """Level of the band after known windows, of which some missed theirs."""
    level = nominal
    for missed in misses:
        level = min(max(level + STEP * (nominal - float(missed)), LEAST_LEVEL), LARGEST_LEVEL)
    return level


def _explained(
    window: EstimatedWindow,
    usual: Sequence[EstimatedWindow],
    scale: "_Scale",
    half_life: float,
    confidence: float,
) -> MetricValue:
    """The estimate from inputs with a band as wide as its errors in windows without a significant loss."""
    inputs = window.inputs
    if not usual:
        return inputs
    middle = scale.put(inputs.value)
    aged = 0.5 ** (np.array([window.end - past.end for past in usual]) / half_life)
    errors = np.array([scale.put(past.measured) - scale.put(past.inputs.value) for past in usual])
    count = float(aged.sum())
    variance = (PRIOR_WINDOWS * scale.error(inputs) ** 2 + aged @ errors**2) / (PRIOR_WINDOWS + count)
    width = math.sqrt(variance) * _quantile(DEGREES + count, 1 - confidence)
    return MetricValue(
        inputs.metric, inputs.value, scale.back(middle - width), scale.back(middle + width), inputs.rows
    )


def _quantile(degrees: float, level: float) -> float:
    """Two-sided quantile of Student's law that leaves ``level`` outside."""
    from scipy.special import stdtrit

    return float(stdtrit(degrees, 1 - level / 2))


class _Scale:
    """Scale on which errors of a metric are alike: log-odds for a share, the logarithm for a loss."""

    def __init__(self, metric: str, reference: float) -> None:
        self._share = higher_is_better(metric)
        self._least = _EDGE if self._share else max(_EDGE * abs(reference), 1e-300)

    def put(self, value: float) -> float:
        """A value on the scale."""
        if not self._share:
            return math.log(max(value, self._least))
        inside = min(max(value, _EDGE), 1 - _EDGE)
        return math.log(inside / (1 - inside))

    def back(self, value: float) -> float:
        """The value of which this is the place on the scale."""
        bounded = min(max(value, -700.0), 700.0)
        return 1 / (1 + math.exp(-bounded)) if self._share else math.exp(bounded)

    def error(self, value: MetricValue) -> float:
        """Standard error on the scale, from a 95 % interval; small but not 0 where it is not known."""
        if not (math.isfinite(value.low) and math.isfinite(value.high)):
            return _EDGE
        return max((self.put(value.high) - self.put(value.low)) / (2 * 1.96), _EDGE)
