"""Every model on every target with what is on its way there: versions whose request waits, is deployed in part, or is not
answering everywhere yet."""

from collections.abc import Sequence

from pilothouse.domain.monitoring import Fleet, RollOut, ServingState, TargetState
from pilothouse.domain.records import PromotionRequest, RequestStatus
from pilothouse.domain.roles import Actor
from pilothouse.operations.authorisation import reading
from pilothouse.operations.fleet.health import target_states
from pilothouse.operations.services import Services
from pilothouse.store import requests

_LOOKED_AT = 200
"""The newest requests, among which those on their way are."""


def fleet(services: Services, actor: Actor) -> Fleet:
    """The whole fleet now. Raises NotAllowedError."""
    states = target_states(services, actor)
    with reading(services, actor) as connection:
        newest = requests.listed(connection, limit=_LOOKED_AT)
    return Fleet(tuple(states), tuple(_on_their_way(newest, states)))


def _on_their_way(newest: Sequence[PromotionRequest], states: Sequence[TargetState]) -> list[RollOut]:
    """The newest request of each model and target that is open, live on some of its targets and yet to come on others, or
    live and not answering yet. Where something else was put live after it, a roll-back above all, it has been and gone."""
    live = {(s.model, s.target): s.deployment.version for s in states if s.deployment is not None}
    by_place = {(s.model, s.target): s for s in states}
    settled: set[tuple[str, str]] = set()
    found = []
    for request in newest:
        places = [t for t in request.targets if (request.model, t) not in settled]
        there = tuple(t for t in places if live.get((request.model, t)) == request.version)
        to_come = tuple(
            t
            for t in places
            if t not in there and not _has_moved_on(by_place.get((request.model, t)), request)
        )
        waits = request.status is RequestStatus.OPEN
        failed = tuple(t for t in there if _has_failed(by_place[request.model, t]))
        under_way = tuple(t for t in there if t not in failed and _is_under_way(by_place[request.model, t]))
        # A process that went down on a version that had long been everywhere is no roll-out.
        refused = any(by_place[request.model, t].serving is not ServingState.DOWN for t in failed)
        if waits or (
            request.status is RequestStatus.DEPLOYED and there and (to_come or under_way or refused)
        ):
            found.append(
                RollOut(request.model, request.version, request.id, waits, there, to_come, under_way, failed)
            )
        if waits or request.status is RequestStatus.DEPLOYED:
            settled.update((request.model, t) for t in places)
    return found


def _has_moved_on(state: TargetState | None, request: PromotionRequest) -> bool:
    """Whether what is live was put there after the request was closed."""
    live = state.deployment if state is not None else None
    return live is not None and request.closed_at is not None and live.recorded_at >= request.closed_at


def _is_under_way(state: TargetState) -> bool:
    """Deployed, and its serving process has yet to take it up."""
    if state.serving is ServingState.LOADING:
        return True
    live = state.deployment.version if state.deployment else None
    return state.serving is ServingState.ANSWERING and state.serving_version != live


def _has_failed(state: TargetState) -> bool:
    return state.serving in (ServingState.DOWN, ServingState.FAILED)
