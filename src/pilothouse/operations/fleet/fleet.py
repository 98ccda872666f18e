"""The fleet: every model on every target, with the roll-outs under way."""

from collections.abc import Sequence

from pilothouse.domain.monitoring import Fleet, RollOut, ServingState, TargetState
from pilothouse.domain.records import PromotionRequest, RequestStatus
from pilothouse.domain.roles import Actor
from pilothouse.operations.authorisation import reading
from pilothouse.operations.fleet.health import target_states
from pilothouse.operations.services import Services
from pilothouse.store import requests

_MOST_REQUESTS = 200
"""Number of newest requests among which roll-outs are searched."""


def fleet(services: Services, actor: Actor) -> Fleet:
    """The fleet now. Raises NotAllowedError."""
    states = target_states(services, actor)
    with reading(services, actor) as connection:
        newest = requests.listed(connection, limit=_MOST_REQUESTS)
    return Fleet(tuple(states), tuple(_roll_outs(newest, states)))


def _roll_outs(newest: Sequence[PromotionRequest], states: Sequence[TargetState]) -> list[RollOut]:
    """Roll-outs of requests that are open, live on a part of their targets, or live and not answering yet.

    Of each model and target only the newest request counts. A later deployment, above all a roll-back, ends a roll-out.
    """
    live = {(s.model, s.target): s.deployment.version for s in states if s.deployment is not None}
    state_of = {(s.model, s.target): s for s in states}
    settled: set[tuple[str, str]] = set()
    roll_outs = []
    for request in newest:
        targets = [t for t in request.targets if (request.model, t) not in settled]
        deployed = tuple(t for t in targets if live.get((request.model, t)) == request.version)
        to_come = tuple(
            t
            for t in targets
            if t not in deployed and not _has_moved_on(state_of.get((request.model, t)), request)
        )
        is_open = request.status is RequestStatus.OPEN
        failed = tuple(t for t in deployed if _has_failed(state_of[request.model, t]))
        under_way = tuple(
            t for t in deployed if t not in failed and _is_under_way(state_of[request.model, t])
        )
        # A process that went down on a version that had long been everywhere is no roll-out.
        refused = any(state_of[request.model, t].serving is not ServingState.DOWN for t in failed)
        if is_open or (
            request.status is RequestStatus.DEPLOYED and deployed and (to_come or under_way or refused)
        ):
            roll_outs.append(
                RollOut(
                    request.model, request.version, request.id, is_open, deployed, to_come, under_way, failed
                )
            )
        if is_open or request.status is RequestStatus.DEPLOYED:
            settled.update((request.model, t) for t in targets)
    return roll_outs


def _has_moved_on(state: TargetState | None, request: PromotionRequest) -> bool:
    """True where the live version was deployed after the request was closed."""
    live = state.deployment if state is not None else None
    return live is not None and request.closed_at is not None and live.recorded_at >= request.closed_at


def _is_under_way(state: TargetState) -> bool:
    """True where the serving process has yet to take up the live version."""
    if state.serving is ServingState.LOADING:
        return True
    live = state.deployment.version if state.deployment else None
    return state.serving is ServingState.ANSWERING and state.serving_version != live


def _has_failed(state: TargetState) -> bool:
    return state.serving in (ServingState.DOWN, ServingState.FAILED)
