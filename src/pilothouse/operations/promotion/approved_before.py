"""What a version changes of the one that was approved last before it."""

from datetime import datetime

from pilothouse.domain.audit.dossier import Change, Changes
from pilothouse.domain.identifiers import version_uri
from pilothouse.domain.identity.roles import Actor
from pilothouse.domain.records import PromotionRequest
from pilothouse.operations.authorisation import reading
from pilothouse.operations.catalogue import require_request, require_version
from pilothouse.operations.models import comparisons
from pilothouse.operations.services import Services
from pilothouse.store.promotion import requests

_GROUPS = ("metrics", "slices", "data", "columns", "fitted", "parameters", "code", "environment", "gates")
"""Groups of facts in the order in which they are shown; those of the run and of digests of files say nothing to a reader."""


def changes_since_approved(
    services: Services, actor: Actor, model: str, number: int, before: datetime
) -> Changes:
    """Facts of a version that differ from the version of the newest deployed request before a time. Raises NotFoundError."""
    with reading(services, actor) as connection:
        earlier = requests.deployed_before(connection, model, number, before)
        if earlier is None:
            return Changes(None)
        request = require_request(connection, earlier)
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
