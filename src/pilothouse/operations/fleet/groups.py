"""Deployments in groups: by business unit, region or product of their targets. Counted in SQL along an index."""

from collections.abc import Callable, Collection, Iterable

from pilothouse.domain.identity.roles import Actor
from pilothouse.domain.monitoring.deployment_groups import DeploymentGroup, GroupMember
from pilothouse.domain.monitoring.deployment_state import as_known, counts_as_known
from pilothouse.domain.monitoring.fleet import Place
from pilothouse.domain.monitoring.monitoring import Health
from pilothouse.operations.authorisation import reading
from pilothouse.operations.services import Services
from pilothouse.operations.states.watching import unwatched
from pilothouse.sqlite import Connection
from pilothouse.store.deployed import fleet as store

_PROPERTIES: dict[str, Callable[[Place], str]] = {
    "unit": lambda place: place.business_unit,
    "region": lambda place: place.region,
    "product": lambda place: place.product,
    "environment": lambda place: place.environment,
}
"""Property of a target by the name under which people group and filter by it."""

_HEALTHS = tuple(Health)


def groupings(services: Services, actor: Actor) -> tuple[str, ...]:
    """Properties and labels (``labels.tier``) that some target has, by which deployments can be grouped."""
    with reading(services, actor) as connection:
        places = store.places(connection)
    labels = sorted({key for place in places for key in place.labels})
    named = [name for name, value in _PROPERTIES.items() if any(map(value, places))]
    return (*named, *(f"{store.LABEL}{key}" for key in labels))


def groups(
    services: Services, actor: Actor, by: str, unfolded: Collection[str] | None = ()
) -> list[DeploymentGroup]:
    """Groups of all deployments, the worst first; with their models for those ``unfolded`` (None: for all).

    Raises NotAllowedError.
    """
    with reading(services, actor) as connection:
        watched = not unwatched(services, connection)
        names = {place.target: _name(place, by) for place in store.places(connection)}
        recorded: dict[str, dict[int, int]] = {}
        worst: dict[str, tuple[int, str]] = {}
        """Severity on record and target of the worst deployment of each group."""
        for target, severity, number in store.counts_by_target(connection):
            group = names[target]
            count = recorded.setdefault(group, {})
            count[severity] = count.get(severity, 0) + number
            worst[group] = min(worst.get(group, (severity, target)), (severity, target))
        counts = {name: _by_health(count, watched=watched) for name, count in recorded.items()}
        healths = {name: next(iter(count)) for name, count in counts.items()}
        order = sorted(counts, key=lambda name: (healths[name].rank, -counts[name][healths[name]], name))
        return [
            DeploymentGroup(
                name=name,
                targets=sum(group == name for group in names.values()),
                health=healths[name],
                why=_why(connection, *worst[name], watched=watched),
                counts={str(health): number for health, number in counts[name].items()},
                members=_members(
                    connection, [t for t, group in names.items() if group == name], watched=watched
                )
                if unfolded is None or name in unfolded
                else None,
            )
            for name in order
        ]


def _name(place: Place, by: str) -> str:
    """Name of the group that a target is in; empty where it has no such property or label."""
    if by.startswith(store.LABEL):
        return place.labels.get(by.removeprefix(store.LABEL), "")
    return _PROPERTIES[by](place)


def _members(connection: Connection, targets: Iterable[str], *, watched: bool) -> tuple[GroupMember, ...]:
    recorded: dict[str, dict[int, int]] = {}
    for model, severity, number in store.counts_by_model(connection, list(targets)):
        recorded.setdefault(model, {})[severity] = number
    counts = {model: _by_health(count, watched=watched) for model, count in recorded.items()}
    members = [
        GroupMember(model, next(iter(count)), {str(health): number for health, number in count.items()})
        for model, count in counts.items()
    ]
    return tuple(sorted(members, key=lambda member: member.health.rank))


def _why(connection: Connection, severity: int, target: str, *, watched: bool) -> str:
    if _HEALTHS[severity] is Health.NOT_DEPLOYED or (watched and _HEALTHS[severity] is Health.HEALTHY):
        return ""
    model, why = store.reason_on(connection, target, severity)
    return f"{model} on {target}: {as_known(_HEALTHS[severity], why, watched=watched)[1]}"


def _by_health(counts: dict[int, int], *, watched: bool) -> dict[Health, int]:
    return counts_as_known({_HEALTHS[severity]: counts[severity] for severity in counts}, watched=watched)
