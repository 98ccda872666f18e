"""Every model on every target with what is on its way there: versions whose request is deployed in part, or waits."""

from collections.abc import Sequence

from pilothouse.domain.monitoring import Fleet, RollOut, TargetState
from pilothouse.domain.records import PromotionRequest, RequestStatus
from pilothouse.domain.roles import Actor
from pilothouse.store import requests

from .authorisation import reading
from .health import target_states
from .services import Services

_LOOKED_AT = 200
"""The newest requests, among which those on their way are."""


def fleet(services: Services, actor: Actor) -> Fleet:
    """The whole fleet now. Raises NotAllowedError."""
    states = target_states(services, actor)
    with reading(services, actor) as connection:
        newest = requests.listed(connection, limit=_LOOKED_AT)
    return Fleet(tuple(states), tuple(_on_their_way(newest, states)))


def _on_their_way(newest: Sequence[PromotionRequest], states: Sequence[TargetState]) -> list[RollOut]:
    """The newest request of each model and target that is open, or live on some of its targets and not on others."""
    live = {(s.model, s.target): s.deployment.version for s in states if s.deployment is not None}
    settled: set[tuple[str, str]] = set()
    found = []
    for request in newest:
        places = [t for t in request.targets if (request.model, t) not in settled]
        there = tuple(t for t in places if live.get((request.model, t)) == request.version)
        to_come = tuple(t for t in places if t not in there)
        waits = request.status is RequestStatus.OPEN
        if waits or (request.status is RequestStatus.DEPLOYED and there and to_come):
            found.append(RollOut(request.model, request.version, request.id, waits, there, to_come))
        if waits or request.status is RequestStatus.DEPLOYED:
            settled.update((request.model, t) for t in places)
    return found
