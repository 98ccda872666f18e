"""Targets as places: what each should run, what it says it runs, since when they differ, and how its clock is."""

from collections import Counter, defaultdict
from dataclasses import dataclass

from pilothouse.domain.identity.roles import Actor
from pilothouse.domain.models.hub_limits import Usage
from pilothouse.domain.targets import Difference, TargetClock
from pilothouse.operations.authorisation import reading
from pilothouse.operations.services import Services
from pilothouse.store.deployed import differences
from pilothouse.store.models import hub_usage, remote_targets, targets


@dataclass(frozen=True, slots=True)
class Place:
    """Target with where it is. ``kind``: local, remote, command, or elsewhere; ``tokens``: of another machine, in force now;
    ``sent``: to the hub on its last day."""

    target: str
    kind: str
    clock: TargetClock | None
    tokens: int
    differences: tuple[Difference, ...]
    sent: Usage | None = None


def list_places(services: Services, actor: Actor) -> dict[str, Place]:
    """Every target by name. Raises NotAllowedError."""
    with reading(services, actor) as connection:
        known = targets.all_targets(connection)
        clocks = remote_targets.clocks(connection)
        tokens = remote_targets.tokens(connection)
        found = differences.recorded(connection)
        usages = hub_usage.usages(connection)
    now = services.now()
    in_force = Counter(one.target for one in tokens if one.state_at(now) == "in force")
    differing: dict[str, list[Difference]] = defaultdict(list)
    for one in found:
        differing[one.target].append(one)
    return {
        t.name: Place(
            t.name,
            "command" if t.deployer else t.place,
            clocks.get(t.name),
            in_force[t.name],
            tuple(differing.get(t.name, ())),
            usages.get(t.name),
        )
        for t in known
    }


def differing(services: Services, actor: Actor) -> dict[tuple[str, str], Difference]:
    """Where a target runs another version of a model than it should, by model and target; none where the past is shown, for
    only those of now are on record. Raises NotAllowedError."""
    with reading(services, actor) as connection:
        if services.at is not None:
            return {}
        return {(one.model, one.target): one for one in differences.recorded(connection)}


def compare(services: Services) -> int:
    """Compare what targets should run with what they say they run, and put on record what differs and since when. Returns how
    many differ. Nothing is written where nothing has changed."""
    with services.registry.read() as connection:
        before = differences.recorded(connection)
        now = differences.found(connection, services.now())
        after = differences.merged(before, now, differences.unheard(connection))
    if after != before:
        with services.registry.transaction() as connection:
            differences.put(connection, after)
    return len(after)
