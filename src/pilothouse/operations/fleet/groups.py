"""Deployments in groups: by business unit, region or product of their targets. Counted in SQL along an index."""

from collections.abc import Callable, Collection, Iterable

from pilothouse.domain.monitoring import DeploymentGroup, GroupMember, Health, Place
from pilothouse.domain.roles import Actor
from pilothouse.operations.authorisation import reading
from pilothouse.operations.services import Services
from pilothouse.sqlite import Connection
from pilothouse.store import fleet as store

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
        names = {place.target: _name(place, by) for place in store.places(connection)}
        counts: dict[str, dict[int, int]] = {}
        worst: dict[str, tuple[int, str]] = {}
        for target, severity, number in store.counts_by_target(connection):
            group = names[target]
            count = counts.setdefault(group, {})
            count[severity] = count.get(severity, 0) + number
            worst[group] = min(worst.get(group, (severity, target)), (severity, target))
        order = sorted(counts, key=lambda name: (worst[name][0], -counts[name][worst[name][0]], name))
        return [
            DeploymentGroup(
                name=name,
                targets=sum(group == name for group in names.values()),
                health=_HEALTHS[worst[name][0]],
                why=_why(connection, *worst[name]),
                counts=_by_health(counts[name]),
                members=_members(connection, [t for t, group in names.items() if group == name])
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


def _members(connection: Connection, targets: Iterable[str]) -> tuple[GroupMember, ...]:
    counts: dict[str, dict[int, int]] = {}
    for model, severity, number in store.counts_by_model(connection, list(targets)):
        counts.setdefault(model, {})[severity] = number
    return tuple(
        GroupMember(model, _HEALTHS[min(count)], _by_health(count)) for model, count in counts.items()
    )


def _why(connection: Connection, severity: int, target: str) -> str:
    if _HEALTHS[severity] in (Health.HEALTHY, Health.NOT_DEPLOYED):
        return ""
    model, why = store.reason_on(connection, target, severity)
    return f"{model} on {target}: {why}"


def _by_health(counts: dict[int, int]) -> dict[str, int]:
    return {str(_HEALTHS[severity]): counts[severity] for severity in sorted(counts)}
