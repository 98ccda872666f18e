"""Whether the gates in force would let a version pass that earlier ones judged."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from pilothouse.domain.models.evaluation import MetricValue
from pilothouse.domain.models.model_spec import MetricBound, ModelSpec
from pilothouse.domain.promotion.loosening import judged_more_loosely

_CHANGE = re.compile(r"(?P<key>[^:]+): (?P<now>.+) → (?P<then>.+?)(?: \(.*\))?", re.DOTALL)
_GONE = re.compile(r"(?P<key>[^:]+): gone(?: \(.*\))?")


@dataclass(frozen=True, slots=True)
class Judge:
    """What judges versions: a specification, and the digests of the files that its gate function can reach."""

    spec: ModelSpec
    code: Mapping[str, str] | None = None


def not_passed(in_force: Judge, judged_by: Judge, metrics: Sequence[MetricValue]) -> list[str]:
    """Gates in force, a line each, that a version with these metrics has not passed: it was judged by looser ones. A bound on a
    metric is judged again on the metrics on record."""
    bounds, earlier = in_force.spec.gates.metric, judged_by.spec.gates.metric
    then = replace(judged_by.spec, gates=replace(judged_by.spec.gates, metric=bounds))
    looser = judged_more_loosely(in_force.spec, then, code_now=in_force.code, code_then=judged_by.code)
    lines = [_in_order_of_time(line) for line in looser]
    for bound in bounds:
        if bound not in earlier:
            lines += _judged_again(bound, earlier, metrics)
    return lines


def _in_order_of_time(line: str) -> str:
    """``key: what is in force → what judged`` the other way round."""
    if found := _CHANGE.fullmatch(line):
        return f"{found['key']} {found['then']} → {found['now']}"
    gone = _GONE.fullmatch(line)
    return f"{gone['key']} is new" if gone else line


def _judged_again(
    bound: MetricBound, before: Sequence[MetricBound], metrics: Sequence[MetricValue]
) -> Iterator[str]:
    where = f"gates.metric {bound.metric}" + (f" by {bound.slice}" if bound.slice else "")
    same = [old for old in before if (old.metric, old.slice) == (bound.metric, bound.slice)]
    limits = ", ".join(
        f"{side} {_was([getattr(old, side) for old in same])}{limit:g}"
        for side in ("minimum", "maximum")
        if (limit := getattr(bound, side)) is not None
    )
    prefix = f"{bound.slice}=" if bound.slice else ""
    values = [
        value
        for value in metrics
        if value.metric == bound.metric and (value.slice.startswith(prefix) if prefix else not value.slice)
    ]
    if not values:
        yield f"{where} {limits}, which was not measured"
    for value in values:
        if prefix and value.rows < bound.minimum_rows:
            continue
        too_low = bound.minimum is not None and not value.value >= bound.minimum
        too_high = bound.maximum is not None and not value.value <= bound.maximum
        if too_low or too_high:
            of_slice = f" of {value.slice}" if value.slice else ""
            yield f"{where} {limits}, and it has {value.value:.4g}{of_slice}"


def _was(limits: Sequence[float | None]) -> str:
    """``0.62 → `` where a bound was another one before."""
    known = [limit for limit in limits if limit is not None]
    return f"{known[0]:g} → " if known else ""
