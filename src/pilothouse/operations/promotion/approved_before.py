"""What a version changes of the one that was approved last before it."""

from collections.abc import Sequence
from datetime import datetime

from pilothouse.domain.dossier import Change, Changes
from pilothouse.domain.identifiers import version_uri
from pilothouse.domain.records import PromotionRequest, RequestStatus
from pilothouse.domain.roles import Actor
from pilothouse.operations.authorisation import reading
from pilothouse.operations.catalogue import require_version
from pilothouse.operations.models import comparisons
from pilothouse.operations.services import Services
from pilothouse.sqlite import Connection
from pilothouse.store import requests

_GROUPS = ("metrics", "slices", "data", "columns", "fitted", "parameters", "code", "environment", "gates")
"""Groups of facts in the order in which they are shown; those of the run and of digests of files say nothing to a reader."""


def changes_since_approved(
    services: Services, actor: Actor, model: str, number: int, before: datetime
) -> Changes:
    """Facts of a version that differ from the version of the newest deployed request before a time. Raises NotFoundError."""
    with reading(services, actor) as connection:
        request = _approved_before(connection, model, number, before)
        if request is None:
            return Changes(None)
        found = comparisons.differing_facts(
            connection,
            require_version(connection, version_uri(model, request.version)),
            require_version(connection, version_uri(model, number)),
        )
    rows = [
        Change(row.group, row.name, row.a, row.b, row.note)
        for group in _GROUPS
        for row in found
        if row.group == group
    ]
    approvers = tuple(decision.actor for decision in request.decisions if decision.verdict == "approve")
    return Changes(request.version, request.closed_at, approvers, tuple(rows))


def changes_of_request(services: Services, actor: Actor, request: PromotionRequest) -> Changes:
    """What the version of a request changes of the one that was approved last before it was filed."""
    return changes_since_approved(services, actor, request.model, request.version, request.recorded_at)


def _approved_before(
    connection: Connection, model: str, number: int, before: datetime
) -> PromotionRequest | None:
    deployed: Sequence[PromotionRequest] = requests.listed(
        connection, status=RequestStatus.DEPLOYED, model=model
    )
    return next(
        (
            one
            for one in sorted(
                deployed, key=lambda one: (one.closed_at or one.recorded_at, one.id), reverse=True
            )
            if one.version != number and one.closed_at is not None and one.closed_at <= before
        ),
        None,
    )
