"""Names of drift statistics, and sentences about them."""

from collections.abc import Mapping
from dataclasses import dataclass

from pilothouse.statistics.significance.calibration import EFFECT


@dataclass(frozen=True, slots=True)
class Measure:
    """A statistic's name, and its sentence about a ``{feature}`` compared with ``{other}``."""

    name: str
    sentence: str
    pattern: str = ".3g"
    """The format of its values."""


_DISTANCE = "the {name} between {feature} and {other} was {value}"
MEASURES = {
    "wasserstein": Measure("Wasserstein distance, in standard deviations of the reference,", _DISTANCE),
    "within": Measure(
        "Wasserstein distance within the reference's range, in standard deviations of it,", _DISTANCE
    ),
    "ks": Measure("Kolmogorov–Smirnov distance", _DISTANCE),
    "js": Measure("Jensen–Shannon distance", _DISTANCE),
    "psi": Measure("population stability index", _DISTANCE),
    "higher": Measure(
        "level above the reference's, by ranks, in standard deviations",
        "{feature} lay {value} standard deviations higher than in {other} (by ranks)",
    ),
    "lower": Measure(
        "level below the reference's, by ranks, in standard deviations",
        "{feature} lay {value} standard deviations lower than in {other} (by ranks)",
    ),
    "wider": Measure(
        "spread beyond the reference's, by ranks",
        "{feature} was spread {value} wider than in {other} (by ranks)",
        ".1%",
    ),
    "narrower": Measure(
        "spread short of the reference's, by ranks",
        "{feature} was spread {value} narrower than in {other} (by ranks)",
        ".1%",
    ),
    "outside": Measure(
        "share of values outside of the reference's range",
        "{value} of the values of {feature} lay outside of the range of {other}",
        ".2%",
    ),
    "share": Measure(
        "share of one category, in the deviations that are usual for it",
        "the share of one category of {feature} lay {value} of its usual deviations from that in {other}",
    ),
}
_PREFIXES = ("recent_", "lasting_")


def _measure_of(statistic: str) -> Measure:
    return MEASURES.get(_base(statistic), Measure(statistic, _DISTANCE))


def _base(statistic: str) -> str:
    """The statistic's name without what it was compared with or over how many windows."""
    for prefix in _PREFIXES:
        statistic = statistic.removeprefix(prefix)
    return statistic


def measure_name(statistic: str) -> str:
    """The statistic's name where no number follows it."""
    return _measure_of(statistic).name.rstrip(",")


def measured_text(
    statistic: str, feature: str, other: str, value: float, threshold: float
) -> tuple[str, str]:
    """The measured value as the rest of a sentence, and the threshold in the same unit."""
    measure = _measure_of(statistic)
    text = measure.sentence.format(
        name=measure.name, feature=feature, other=other, value=format(value, measure.pattern)
    )
    return text, format(threshold, measure.pattern)


_DIRECTIONS = {
    "higher": "lies {} standard deviations higher",
    "lower": "lies {} standard deviations lower",
    "wider": "is spread {} wider",
    "narrower": "is spread {} narrower",
}


def direction_text(statistic: str, statistics: Mapping[str, float]) -> str:
    """A sentence about the direction in which a column has moved, where a distance does not say it; else empty."""
    if _measure_of(statistic).sentence is not _DISTANCE:
        return ""
    directions = [
        direction.format(format(statistics[name], MEASURES[name].pattern))
        for name, direction in _DIRECTIONS.items()
        if statistics.get(name, 0.0) >= EFFECT[name]
    ]
    return f" By ranks it {' and '.join(directions)} than the reference." if directions else ""


def direction_of(statistic: str, statistics: Mapping[str, float]) -> str:
    """The direction in which a column has moved: that of its level, else of its spread; empty where neither effect is large
    enough."""
    if _base(statistic) in _DIRECTIONS:
        return _base(statistic)
    return next((name for name in _DIRECTIONS if statistics.get(name, 0.0) >= EFFECT[name]), "")
