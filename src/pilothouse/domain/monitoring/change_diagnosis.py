"""Diagnosis of a window: its inputs have moved, its outcomes have moved, both or neither.

A model errs more for two reasons. Its inputs have moved to where it was never good (data drift), or the same inputs now lead
to other outcomes (concept drift: "outcomes moved"). An estimate from inputs alone knows of the first and not of the second:
its band is where the measured figure lies while the outcome of a score stays what it was, as wide as such estimates have
erred before. So a measured figure beyond the band is evidence that outcomes have moved. One inside it says that inputs explain
what is seen, and where the band is wider than the smallest change that counts it says nothing of outcomes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from pilothouse.domain.models.evaluation import smallest_change
from pilothouse.domain.monitoring.findings import EstimateFinding, EstimateVerdict

MUCH_VOLUME = 2.0
"""Volume has changed where it is this many times the usual, or one such part of it."""
_NAMED = 3


class Change(StrEnum):
    """Verdict on a window."""

    INPUTS = "inputs moved"
    OUTCOMES = "outcomes moved"
    BOTH = "both: inputs and outcomes moved"
    QUALITY = "only volume or quality"
    UNKNOWN = "not enough evidence"


@dataclass(frozen=True, slots=True)
class Measured:
    """A figure with its interval or band."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Evidence:
    """Findings about a window: the ``inputs`` that drift (features), whether the ``score`` does, ``faults`` of quality by
    feature, ``volume`` over the usual, and the metric as measured, as inputs alone explain it (``estimated``), as expected by
    these and by the outcomes of earlier windows (``forecast``), and on the hold-out. ``seldom`` drift features in fewer than
    half of its windows of inputs, which is no evidence."""

    metric: str
    inputs: Sequence[str] = ()
    score: bool = False
    faults: Sequence[tuple[str, str]] = ()
    volume: float | None = None
    measured: Measured | None = None
    estimated: Measured | None = None
    forecast: EstimateFinding | None = None
    reference: float | None = None
    seldom: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """The verdict and the sentence of its evidence."""

    change: Change
    evidence: str

    @property
    def sentence(self) -> str:
        """Both, as one text."""
        return f"What changed: {self.change}. {self.evidence}"


def diagnose(evidence: Evidence) -> Diagnosis:
    """Judge the evidence of one window."""
    faulty = {feature for feature, _ in evidence.faults}
    moved = [feature for feature in evidence.inputs if feature not in faulty]
    # a column with missing or unknown values drifts by that alone, and takes the score with it
    inputs = bool(moved) or (evidence.score and not faulty)
    volume = evidence.volume is not None and not 1 / MUCH_VOLUME < evidence.volume < MUCH_VOLUME
    beyond = _beyond(evidence)
    sentences = [
        _inputs_sentence(evidence, moved),
        _faults_sentence(evidence) if faulty else "",
        _volume_sentence(evidence.volume) if evidence.volume is not None and volume else "",
        _outcomes_sentence(evidence),
    ]
    if inputs:
        change = Change.BOTH if beyond else Change.INPUTS
    elif faulty:
        change = Change.UNKNOWN if beyond else Change.QUALITY
        if beyond:
            sentences.append("Faults of quality alone can do that: mend them first, then look again.")
    elif beyond:
        change = Change.OUTCOMES
    elif volume:
        change = Change.QUALITY
    else:
        change = Change.UNKNOWN
    return Diagnosis(change, " ".join(filter(None, sentences)))


def _beyond(evidence: Evidence) -> bool:
    if evidence.measured is None or evidence.estimated is None:
        return False
    return not evidence.estimated.low <= evidence.measured.value <= evidence.estimated.high


def _inputs_sentence(evidence: Evidence, moved: Sequence[str]) -> str:
    if moved:
        return f"Inputs drift ({_named(moved)}){' and so do the scores' if evidence.score else ''}."
    if evidence.score:
        return "The scores drift, though no single input does."
    briefly = (
        f" for as much as half of that time, only briefly {_named(evidence.seldom)}"
        if evidence.seldom
        else ""
    )
    return f"No input drifts{briefly}{' but those with faults' if evidence.faults else ''}."


def _named(features: Sequence[str]) -> str:
    return ", ".join(features[:_NAMED]) + (" …" if len(features) > _NAMED else "")


def _faults_sentence(evidence: Evidence) -> str:
    named = ", ".join(f"{feature} {fault}" for feature, fault in evidence.faults[:_NAMED])
    return f"Faults of quality: {named}{' …' if len(evidence.faults) > _NAMED else ''}."


def _volume_sentence(volume: float) -> str:
    times = f"{volume:.2g}" if volume < 100 else f"{volume:,.0f}"
    return f"Volume is {times} times the usual."


def _outcomes_sentence(evidence: Evidence) -> str:
    estimated, measured = evidence.estimated, evidence.measured
    against = "" if evidence.reference is None else f"; the hold-out had {evidence.reference:.3g}"
    if estimated is None and measured is None:
        return "There are neither outcomes nor an estimate for this window yet, so whether outcomes have moved is not known."
    if estimated is None:
        assert measured is not None
        return (
            f"The measured {evidence.metric} is {measured.value:.3g}{against}; without an estimate to lay it over, whether "
            "outcomes have moved is not known."
        )
    if measured is None:
        return (
            f"No outcome has come for this window yet: {_forecast_text(evidence, estimated)}{against}. "
            + ("Whether outcomes have moved shows once they come.")
        )
    band = _band_text(estimated)
    if _beyond(evidence):
        return (
            f"The measured {evidence.metric} {measured.value:.3g} lies beyond what the inputs explain, {band}{against}: the "
            "same scores now lead to other outcomes."
        )
    inside = f"The measured {evidence.metric} {measured.value:.3g} lies within what the inputs explain, {band}{against}"
    least = smallest_change(evidence.metric, estimated.value)
    if max(estimated.high - estimated.value, estimated.value - estimated.low) >= least:
        return (
            f"{inside}. Whether outcomes have moved cannot be told: the band is wider than the smallest change that counts "
            f"({least:.2g})."
        )
    return f"{inside}: outcomes have not moved by as much as counts ({least:.2g})."


def _band_text(figure: Measured) -> str:
    return f"{figure.value:.3g} (band {figure.low:.3g} to {figure.high:.3g})"


def _forecast_text(evidence: Evidence, estimated: Measured) -> str:
    finding = evidence.forecast
    if finding is None or finding.value is None:
        return f"from the inputs alone {evidence.metric} is estimated at {_band_text(estimated)}"
    forecast = finding.measured
    band = f"{forecast.low:.3g} to {forecast.high:.3g}"
    if finding.verdict is EstimateVerdict.CANNOT_TELL:
        return (
            f"the estimate of {evidence.metric} cannot tell (its band reaches from {band}, wider than the smallest change "
            "that counts)"
        )
    return f"{evidence.metric} is estimated at {forecast.value:.3g} (band {band})"
