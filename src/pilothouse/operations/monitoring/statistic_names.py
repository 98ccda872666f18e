"""The statistics of drift in words."""

from collections.abc import Mapping
from dataclasses import dataclass

from pilothouse.statistics.significance.calibration import EFFECT


@dataclass(frozen=True, slots=True)
class Measure:
    """How a statistic is called, and what it says of a ``{feature}``, ``{other}`` being what it is compared with."""

    name: str
    says: str
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


def measure_of(statistic: str) -> Measure:
    """The measure behind a statistic's name, be it against the days before or over windows together."""
    return MEASURES.get(_base(statistic), Measure(statistic, _DISTANCE))


def _base(statistic: str) -> str:
    for prefix in _PREFIXES:
        statistic = statistic.removeprefix(prefix)
    return statistic


def measure_name(statistic: str) -> str:
    """What a statistic is called where a number follows."""
    return measure_of(statistic).name.rstrip(",")


def measured_words(
    statistic: str, feature: str, other: str, value: float, threshold: float
) -> tuple[str, str]:
    """What was measured, as the rest of a sentence, and the threshold in the same unit."""
    found = measure_of(statistic)
    said = found.says.format(
        name=found.name, feature=feature, other=other, value=format(value, found.pattern)
    )
    return said, format(threshold, found.pattern)


_WAYS = {
    "higher": "lies {} standard deviations higher",
    "lower": "lies {} standard deviations lower",
    "wider": "is spread {} wider",
    "narrower": "is spread {} narrower",
}


def moved_words(statistic: str, statistics: Mapping[str, float]) -> str:
    """Which way a column has moved, where a distance does not say: a sentence, or nothing."""
    if measure_of(statistic).says is not _DISTANCE:
        return ""
    ways = [
        way.format(format(statistics[name], MEASURES[name].pattern))
        for name, way in _WAYS.items()
        if statistics.get(name, 0.0) >= EFFECT[name]
    ]
    return f" By ranks it {' and '.join(ways)} than the reference." if ways else ""


def way_of(statistic: str, statistics: Mapping[str, float]) -> str:
    """The word for where a column has gone: its level first, then its spread; empty where neither is worth one."""
    if _base(statistic) in _WAYS:
        return _base(statistic)
    return next((name for name in _WAYS if statistics.get(name, 0.0) >= EFFECT[name]), "")
