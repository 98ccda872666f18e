"""The rules of promotion, pure: which policy is in force, who may approve, and what loosens a model file."""

from collections.abc import Callable, Iterable
from datetime import datetime
from enum import StrEnum

from pilothouse.domain.model_spec import GatesSpec, MetricBound, ModelSpec, PromotionSpec
from pilothouse.domain.records import EffectivePolicy, PromotionRequest, RequestStatus, WorkspacePolicy
from pilothouse.domain.request_standing import RequestState
from pilothouse.domain.roles import Actor, Permission


def effective_policy(model: PromotionSpec, floor: WorkspacePolicy) -> EffectivePolicy:
    """The tighter of both in every respect.

    A floor that asks for approvals rules automatic deployment out, else a model file could walk round it. Whatever is
    not automatic takes at least one approval. In a workspace of one person a model's four eyes is off, and the policy says
    so; the floor's own four eyes holds.
    """
    automatic = model.automatic and floor.allow_automatic and floor.approvals == 0
    approvals = max(model.approvals, floor.approvals)
    return EffectivePolicy(
        approvals=approvals if automatic else max(1, approvals),
        four_eyes=floor.four_eyes or (model.four_eyes and not floor.solo),
        automatic=automatic,
        expires=model.expires,
        solo=bool(floor.solo) and model.four_eyes and not floor.four_eyes,
    )


class RequestAct(StrEnum):
    APPROVE = "approve"
    REJECT = "reject"
    WITHDRAW = "withdraw"
    AGAIN = "again"
    """Ask anew for what an outdated or lapsed request asked for."""


class Obstacle(StrEnum):
    """Obstacle to an act on a request."""

    CLOSED = "closed"
    EXPIRED = "expired"
    OUTDATED = "outdated"
    """Something else is live than its evidence compares with."""
    WAITS = "waits"
    """It can still be decided, so there is no reason to ask anew."""
    DECIDED = "decided"
    """The actor has approved or rejected it before."""
    REQUESTED = "requested"
    """Four eyes: the actor asked for it."""
    TRAINED = "trained"
    """Four eyes: the actor trained the version."""
    OF_ANOTHER = "of another"
    """The actor neither asked for it nor is an admin."""


def state_of(request: PromotionRequest, now: datetime) -> RequestState:
    """State in which a request is shown."""
    if request.ended_by and request.ended_by[-1].everywhere:
        return RequestState(request.ended_by[-1].how)
    if request.status is not RequestStatus.OPEN:
        return RequestState(request.status)
    if request.expires_at <= now:
        return RequestState.EXPIRED
    return RequestState.OUTDATED if request.outdated_by else RequestState.OPEN


_LAPSED = (RequestState.OUTDATED, RequestState.EXPIRED, RequestState.WITHDRAWN)
"""States in which what was asked for is neither decided nor waits for a decision."""


def obstacle_to(act: RequestAct, request: PromotionRequest, actor: Actor, now: datetime) -> Obstacle | None:
    """Obstacle to ``actor``'s act under the frozen policy, or None. Whether the role permits the act is not looked at."""
    state = state_of(request, now)
    if act is RequestAct.AGAIN:
        if state is RequestState.OPEN:
            return Obstacle.WAITS
        return None if state in _LAPSED else Obstacle.CLOSED
    if request.status is not RequestStatus.OPEN:
        return Obstacle.CLOSED
    if state is RequestState.EXPIRED:
        return Obstacle.EXPIRED
    if act is RequestAct.APPROVE and state is RequestState.OUTDATED:
        return Obstacle.OUTDATED
    if act is RequestAct.WITHDRAW:
        is_theirs = request.requested_by == actor.name or actor.allows(Permission.SET_POLICY, request.model)
        return None if is_theirs else Obstacle.OF_ANOTHER
    if any(decision.actor == actor.name for decision in request.decisions):
        return Obstacle.DECIDED
    if act is RequestAct.APPROVE and request.policy.four_eyes:
        if request.requested_by == actor.name:
            return Obstacle.REQUESTED
        if request.trained_by == actor.name:
            return Obstacle.TRAINED
    return None


def loosened(before: ModelSpec, after: ModelSpec) -> list[str]:
    """Changes that make it easier to get a version into production, a line each."""
    return [
        *_loosened_promotion(before.promotion, after.promotion),
        *_loosened_metrics(before.gates.metric, after.gates.metric),
        *_loosened_comparison(before, after),
        *_loosened_latency(before.gates, after.gates),
        *_loosened_rest(before.gates, after.gates),
        *_loosened_judges(before, after),
    ]


def _loosened_promotion(before: PromotionSpec, after: PromotionSpec) -> Iterable[str]:
    if after.approvals < before.approvals:
        yield f"promotion.approvals: {before.approvals} → {after.approvals}"
    if before.four_eyes and not after.four_eyes:
        yield "promotion.four_eyes: true → false"
    if after.automatic and not before.automatic:
        yield "promotion.automatic: false → true"
    if after.expires > before.expires:
        yield f"promotion.expires: {before.expires} s → {after.expires} s"


def _loosened_metrics(before: tuple[MetricBound, ...], after: tuple[MetricBound, ...]) -> Iterable[str]:
    """Every old bound must be held by some new one of the same metric and slice."""
    for old in before:
        same = [new for new in after if (new.metric, new.slice) == (old.metric, old.slice)]
        where = f"gates.metric {old.metric}" + (f" by {old.slice}" if old.slice else "")
        if old.minimum is not None and not any(
            new.minimum is not None and new.minimum >= old.minimum and new.minimum_rows <= old.minimum_rows
            for new in same
        ):
            yield f"{where}: the minimum {old.minimum:g} (slices of {old.minimum_rows} rows) is lowered or gone"
        if old.maximum is not None and not any(
            new.maximum is not None and new.maximum <= old.maximum and new.minimum_rows <= old.minimum_rows
            for new in same
        ):
            yield f"{where}: the maximum {old.maximum:g} (slices of {old.minimum_rows} rows) is raised or gone"


def _loosened_comparison(before: ModelSpec, after: ModelSpec) -> Iterable[str]:
    old, new = before.gates.comparison, after.gates.comparison
    if old is None:
        return
    if new is None:
        yield "gates.comparison: gone"
        return
    old_metric, new_metric = old.metric or before.primary_metric, new.metric or after.primary_metric
    if old_metric != new_metric:
        yield f"gates.comparison.metric: {old_metric} → {new_metric}"
    yield from _raised(
        old,
        new,
        "gates.comparison",
        # A challenger fails when its interval lies beyond the margin: a wider interval fails less often.
        ("margin", "confidence", "minimum_rows"),
    )


def _loosened_latency(before: GatesSpec, after: GatesSpec) -> Iterable[str]:
    if before.latency is None:
        return
    if after.latency is None:
        yield "gates.latency: gone"
        return
    yield from _raised(before.latency, after.latency, "gates.latency", ("p95_ms",))
    yield from _lowered(before.latency, after.latency, "gates.latency", ("repeats",))


def _loosened_rest(before: GatesSpec, after: GatesSpec) -> Iterable[str]:
    bounds = ("maximum_missing", "maximum_duplicates", "leakage_auc")
    yield from _raised(before.data, after.data, "gates.data", bounds)
    yield from _lowered(before.data, after.data, "gates.data", ("minimum_rows",))
    if before.model_size_mb is not None and (
        after.model_size_mb is None or after.model_size_mb > before.model_size_mb
    ):
        yield f"gates.model_size_mb: {before.model_size_mb:g} → {_or_none(after.model_size_mb)}"
    if before.function is not None and after.function != before.function:
        yield f"gates.function: {before.function} → {_or_none(after.function)}"


def _loosened_judges(before: ModelSpec, after: ModelSpec) -> Iterable[str]:
    """Changes of the rows on which gates judge: fewer held-out rows, or other rows for a target."""
    if after.data.holdout < before.data.holdout:
        yield f"data.holdout: {before.data.holdout} s → {after.data.holdout} s"
    matched = {target.name: target.match for target in after.targets}
    for target in before.targets:
        if target.name in matched and matched[target.name] != target.match:
            yield f"targets.{target.name}.match: {target.match} → {matched[target.name]}"


def _raised(old: object, new: object, path: str, keys: tuple[str, ...]) -> Iterable[str]:
    return _moved(old, new, path, keys, lambda a, b: b > a)


def _lowered(old: object, new: object, path: str, keys: tuple[str, ...]) -> Iterable[str]:
    return _moved(old, new, path, keys, lambda a, b: b < a)


def _moved(
    old: object, new: object, path: str, keys: tuple[str, ...], looser: Callable[[float, float], bool]
) -> Iterable[str]:
    for key in keys:
        a, b = getattr(old, key), getattr(new, key)
        if looser(a, b):
            yield f"{path}.{key}: {a:g} → {b:g}"


def _or_none(value: float | str | None) -> str:
    return "none" if value is None else f"{value:g}" if isinstance(value, float) else str(value)
