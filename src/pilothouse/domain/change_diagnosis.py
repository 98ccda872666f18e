"""What the evidence of a window says has changed: what goes into a model, what comes of it in the world, or neither.

A model errs more for two reasons. Its inputs have moved to where it was never good (data drift), or the same inputs now lead
to other outcomes (concept drift: "truth moved"). An estimate made without outcomes knows of the first and not of the second:
its band is where the measured figure lies while the outcome of a score stays what it was. So a measured figure beyond the
band is evidence that outcomes have moved, and one inside it says that inputs explain what is seen.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

MUCH_VOLUME = 2.0
"""Volume has changed where it is this many times the usual, or one such part of it."""
_NAMED = 3


class Change(StrEnum):
    """What the evidence supports."""

    INPUTS = "inputs moved"
    TRUTH = "truth moved"
    BOTH = "both: inputs and truth moved"
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
    """What is known of a window: the ``inputs`` that drift (features), whether the ``score`` does, ``faults`` of quality by
    feature, ``volume`` over the usual, and the metric as measured, as estimated without outcomes, and on the hold-out.
    ``seldom`` drift features in fewer than half of its windows of inputs, which is no evidence."""

    metric: str
    inputs: Sequence[str] = ()
    score: bool = False
    faults: Sequence[tuple[str, str]] = ()
    volume: float | None = None
    measured: Measured | None = None
    estimated: Measured | None = None
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


def diagnose(found: Evidence) -> Diagnosis:
    """Judge the evidence of one window."""
    faulty = {feature for feature, _ in found.faults}
    moved = [feature for feature in found.inputs if feature not in faulty]
    # a column with missing or unknown values drifts by that alone, and takes the score with it
    inputs = bool(moved) or (found.score and not faulty)
    volume = found.volume is not None and not 1 / MUCH_VOLUME < found.volume < MUCH_VOLUME
    beyond = _beyond(found)
    words = [
        _inputs_words(found, moved),
        _faults_words(found) if faulty else "",
        _volume_words(found) if volume else "",
    ]
    words += [_truth_words(found)]
    if inputs:
        change = Change.BOTH if beyond else Change.INPUTS
    elif faulty:
        change = Change.UNKNOWN if beyond else Change.QUALITY
        if beyond:
            words.append("Faults of quality alone can do that: mend them first, then look again.")
    elif beyond:
        change = Change.TRUTH
    elif volume:
        change = Change.QUALITY
    else:
        change = Change.UNKNOWN
    return Diagnosis(change, " ".join(word for word in words if word))


def _beyond(found: Evidence) -> bool:
    if found.measured is None or found.estimated is None:
        return False
    return not found.estimated.low <= found.measured.value <= found.estimated.high


def _inputs_words(found: Evidence, moved: Sequence[str]) -> str:
    if moved:
        return f"Inputs drift ({_named(moved)}){' and so do the scores' if found.score else ''}."
    if found.score:
        return "The scores drift, though no single input does."
    briefly = (
        f" for as much as half of that time, only briefly {_named(found.seldom)}" if found.seldom else ""
    )
    return (
        f"No input drifts{briefly}."
        if not found.faults
        else f"No input drifts{briefly} but those with faults."
    )


def _named(features: Sequence[str]) -> str:
    return ", ".join(features[:_NAMED]) + (" …" if len(features) > _NAMED else "")


def _faults_words(found: Evidence) -> str:
    named = ", ".join(f"{feature} {fault}" for feature, fault in found.faults[:_NAMED])
    return f"Faults of quality: {named}{' …' if len(found.faults) > _NAMED else ''}."


def _volume_words(found: Evidence) -> str:
    return f"Volume is {found.volume:.2g} times the usual."


def _truth_words(found: Evidence) -> str:
    estimated, measured = found.estimated, found.measured
    against = "" if found.reference is None else f"; the hold-out had {found.reference:.3g}"
    if estimated is None and measured is None:
        return "There is neither outcomes nor an estimate for this window yet, so whether outcomes have moved is not known."
    if estimated is None:
        assert measured is not None
        return (
            f"The measured {found.metric} is {measured.value:.3g}{against}; without an estimate to lay it over, whether "
            "outcomes have moved is not known."
        )
    band = f"{estimated.value:.3g} (band {estimated.low:.3g} to {estimated.high:.3g})"
    if measured is None:
        return (
            f"No outcome has come for this window yet: from the inputs alone {found.metric} is estimated at {band}{against}. "
            "Whether outcomes have moved shows once they come."
        )
    if _beyond(found):
        return (
            f"The measured {found.metric} {measured.value:.3g} lies beyond what the inputs explain, {band}{against}: the "
            "same scores now lead to other outcomes."
        )
    return (
        f"The measured {found.metric} {measured.value:.3g} lies within what was estimated without outcomes, {band}{against}: "
        "nothing says that outcomes have moved."
    )
