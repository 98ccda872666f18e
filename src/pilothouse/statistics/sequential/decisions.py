"""Shadow, before outcomes exist: on how many requests do the two models decide differently?

The share of requests whose labels differ, by the test of a share (``shares``) against the share that the plan states, as a
whole and by the champion's class. It says that decisions change, not that they get worse: it stops a roll-out only beyond the
stated share. All counts add up.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from pilothouse.domain.errors import InvalidInputError
from pilothouse.statistics.sequential.shares import log_e_above, share_bounds
from pilothouse.statistics.sequential.verdicts import Settings, Verdict, decide, no_traffic


@dataclass(frozen=True, slots=True)
class OfClass:
    """Requests that the champion gave one class, and to how many of these the challenger gave another."""

    name: str
    requests: int = 0
    changed: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.changed <= self.requests:
            raise InvalidInputError(f"counts of decisions that cannot be: {self.changed} of {self.requests}")


@dataclass(frozen=True, slots=True)
class Decisions:
    """Requests that both models answered, by the champion's class, in the order of the names."""

    classes: tuple[OfClass, ...] = ()

    def plus(self, other: "Decisions") -> "Decisions":
        """The requests of both; associative, in any order."""
        by_name = {held.name: held for held in self.classes}
        for more in other.classes:
            held = by_name.get(more.name, OfClass(more.name))
            by_name[more.name] = OfClass(
                more.name, held.requests + more.requests, held.changed + more.changed
            )
        return Decisions(tuple(by_name[name] for name in sorted(by_name)))


def collect(challenger: Sequence[str], champion: Sequence[str]) -> Decisions:
    """Decisions of the two models on the same requests, str[requests] each."""
    counts: dict[str, list[int]] = {}
    for theirs, ours in zip(challenger, champion, strict=True):
        held = counts.setdefault(ours, [0, 0])
        held[0] += 1
        held[1] += theirs != ours
    return Decisions(tuple(OfClass(name, *counts[name]) for name in sorted(counts)))


def verdict(state: Decisions, settings: Settings) -> Verdict:
    """Verdict on the share of requests that are decided differently. ``margin`` and ``harm_above`` of the settings are
    shares, above 0 and below 1. Raises InvalidInputError for others."""
    requests, changed = (
        sum(held.requests for held in state.classes),
        sum(held.changed for held in state.classes),
    )
    return _verdict(requests, changed, settings)


def verdicts_by_class(state: Decisions, settings: Settings, classes: Sequence[str]) -> dict[str, Verdict]:
    """Verdict on each of the ``classes`` (all that the model has, fixed beforehand) by its name. The promised rate is that
    of any class being named without cause (Bonferroni: ``level`` over the number of classes, since a name is given)."""
    by_name = {held.name: held for held in state.classes}
    each = replace(settings, level=settings.level / max(len(classes), 1))
    held = [by_name.get(name, OfClass(name)) for name in classes]
    return {of.name: _verdict(of.requests, of.changed, each) for of in held}


def _verdict(requests: int, changed: int, settings: Settings) -> Verdict:
    if not 0 < settings.harm_above < 1 or not settings.margin < 1:
        raise InvalidInputError(
            f"harm_above is {settings.harm_above!r} and margin {settings.margin!r}, expected shares between 0 and 1"
        )
    if not requests:
        return no_traffic(settings, 0)
    return decide(
        settings,
        lambda times: log_e_above(changed * times, requests * times, settings.harm_above),
        lambda times: log_e_above((requests - changed) * times, requests * times, 1 - settings.margin),
        requests,
        (changed / requests, *share_bounds(changed, requests, settings.log_needed, settings.log_safe)),
    )
