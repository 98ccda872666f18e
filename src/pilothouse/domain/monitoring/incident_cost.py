"""Cost of an incident, so that the dearest is read first: answers that are worse or missing, then drift, then slowness.

Losses of different metrics are made comparable by the smallest one that counts (``smallest_change``). One *unit* is that
much, and the cost is units times predictions a week.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from pilothouse.domain.models.evaluation import loss_against, smallest_change
from pilothouse.domain.monitoring.incidents import Cost

LOSS, DRIFT, SLOW, NOTHING = range(4)
"""The tiers, dearest first."""
NO_ANSWER_UNITS = 25.0
"""A prediction that nobody got counts as one of an AUROC that fell by 0.25, from good to worthless."""
MOST_EXCESS = 9.0
"""Ten times the threshold or more is simply very far: one small threshold must not outweigh all else."""


@dataclass(frozen=True, slots=True)
class PerformanceLoss:
    """The newest figure of a metric on one target against its reference; ``estimated`` where no outcome is in yet."""

    target: str
    metric: str
    value: float
    reference: float
    per_week: float
    estimated: bool = False

    @property
    def units(self) -> float:
        """Loss as a multiple of the smallest one that counts; negative where it is better than the reference."""
        loss = loss_against(self.metric, self.value, self.reference)
        least = smallest_change(self.metric, self.reference)
        return loss / least if least else math.inf * (loss > 0)


@dataclass(frozen=True, slots=True)
class Drifting:
    """Features of one target that are beyond their thresholds. ``excess``: value over threshold, less one.

    ``importance``: each feature's share of what the model's performance rests on; None where it was not measured.
    """

    target: str
    excess: dict[str, float]
    per_week: float
    importance: dict[str, float] | None = None
    features: int = 1
    """Number of the model's features: each is taken as equally important where nothing else is known."""

    def share(self, feature: str) -> float:
        """A feature's importance; the score's is all of it, for it is what the model answers."""
        if feature == "score":
            return 1.0
        if self.importance is None:
            return 1 / max(self.features, 1)
        return self.importance.get(feature, 0.0)

    @property
    def weight(self) -> float:
        """Σ importance × excess."""
        return math.fsum(
            self.share(name) * min(max(over, 0.0), MOST_EXCESS) for name, over in self.excess.items()
        )


@dataclass(frozen=True, slots=True)
class Unanswered:
    """Predictions that nobody gets on one target: ``share`` of ``per_week``; ``symptom`` says how it shows."""

    target: str
    share: float
    per_week: float
    symptom: str


@dataclass(frozen=True, slots=True)
class Slow:
    """Requests of one target that take longer than they should, ``factor`` times the baseline."""

    target: str
    p95_ms: float
    factor: float
    per_week: float


@dataclass(frozen=True, slots=True)
class Evidence:
    """Evidence about an incident's targets now."""

    losses: Sequence[PerformanceLoss] = ()
    drifting: Sequence[Drifting] = ()
    unanswered: Sequence[Unanswered] = ()
    slow: Sequence[Slow] = field(default=())
    returning: Sequence[str] = ()
    """Targets that were silent and send events again."""


def cost_of(evidence: Evidence) -> Cost:
    """The cost by the dearest kind of evidence that there is."""
    lost = [loss for loss in evidence.losses if loss.units >= 1]
    unanswered = [missing for missing in evidence.unanswered if missing.share > 0]
    if lost or unanswered:
        weight = math.fsum(loss.units * loss.per_week for loss in lost)
        weight += math.fsum(NO_ANSWER_UNITS * missing.share * missing.per_week for missing in unanswered)
        texts = [*map(_loss_text, _dearest(lost))]
        texts += [f"{missing.symptom} on {missing.target}" for missing in unanswered]
        return Cost(LOSS, weight, _some(texts))
    drifting = [drift for drift in evidence.drifting if drift.excess]
    if drifting:
        return Cost(DRIFT, math.fsum(drift.weight for drift in drifting), _drift_text(drifting))
    if evidence.slow:
        weight = math.fsum(slow.factor * slow.per_week for slow in evidence.slow)
        texts = [
            f"p95 {slow.p95_ms:.3g} ms, {slow.factor:.1f} times its baseline, on {volume(slow.per_week)} requests a week "
            f"on {slow.target}"
            for slow in evidence.slow
        ]
        return Cost(SLOW, weight, _some(texts))
    if evidence.returning:
        return Cost(NOTHING, 0.0, f"events come again on {', '.join(evidence.returning)}")
    return Cost(NOTHING, 0.0, "no loss is known")


def _dearest(lost: Sequence[PerformanceLoss]) -> list[PerformanceLoss]:
    return sorted(lost, key=lambda loss: (-loss.units * loss.per_week, loss.target))


def _loss_text(loss: PerformanceLoss) -> str:
    change = loss.value - loss.reference
    sign, size = "−" if change < 0 else "+", abs(change)
    digits = f"{size:.2g}" if size < 100 else volume(size)
    estimated = " (estimated)" if loss.estimated else ""
    return f"{loss.metric} {sign}{digits}{estimated} on {volume(loss.per_week)} predictions a week on {loss.target}"


def _drift_text(drifting: Sequence[Drifting]) -> str:
    """The worst target by its figures, the others by name."""
    worst = max(drifting, key=lambda drift: drift.weight)
    inputs = [name for name in worst.excess if name != "score"]
    farthest = 1 + max(worst.excess.values())
    others = [drift.target for drift in drifting if drift is not worst]
    where = f"{volume(worst.per_week)} predictions a week on {worst.target}" + (
        f" and on {', '.join(others)}" if others else ""
    )
    if not inputs:
        return f"scores {farthest:.1f} times their threshold, {where}"
    count = f"{len(inputs)} feature{'s' if len(inputs) != 1 else ''}"
    share = math.fsum(worst.share(name) for name in inputs)
    known = f" with {share:.0%} of the model's importance" if worst.importance is not None else ""
    return f"{count}{known} drift{'s' if len(inputs) == 1 else ''}, up to {farthest:.1f} times the threshold, {where}"


def volume(per_week: float) -> str:
    """``12,400``: three significant digits, for it is a rate."""
    if per_week <= 0:
        return "0"
    digits = max(0, math.floor(math.log10(per_week)) - 2)
    return f"{round(per_week / 10**digits) * 10**digits:,.0f}"


def _some(texts: Sequence[str], most: int = 2) -> str:
    more = len(texts) - most
    return "; ".join(texts[:most]) + (
        f"; and {more} more target{'s' if more > 1 else ''}" if more > 0 else ""
    )
