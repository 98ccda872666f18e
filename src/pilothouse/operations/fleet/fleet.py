"""The fleet: a window of the models on every target, with the roll-outs under way."""

from collections.abc import Sequence
from itertools import groupby

from pilothouse.domain.identity.roles import Actor
from pilothouse.domain.monitoring.deployment_state import counts_as_known
from pilothouse.domain.monitoring.fleet import Fleet, RollOut
from pilothouse.domain.monitoring.monitoring import Health, ServingState
from pilothouse.domain.records import RequestStatus
from pilothouse.domain.rollouts.rollout import PlaceState, Rollout
from pilothouse.operations.authorisation import reading
from pilothouse.operations.fleet.health import as_shown, known_health_of_models
from pilothouse.operations.services import Services
from pilothouse.operations.states.watching import unwatched
from pilothouse.sqlite import Connection, Row
from pilothouse.store.deployed import deployment_states
from pilothouse.store.deployed import fleet as store
from pilothouse.store.promotion import roll_outs, rollout_facts, rollouts

_OTHERS = 20
"""Roll-outs of models beyond the window that are looked up."""


def fleet(services: Services, actor: Actor, chosen: str = "", room: int | None = None) -> Fleet:
    """The fleet now: states of as many models as there is ``room`` for, the ``chosen`` one among them; of all without a limit.

    Raises NotAllowedError.
    """
    with reading(services, actor) as connection:
        healths = known_health_of_models(services, connection)
        models = sorted(
            store.names_by_health(connection), key=lambda name: healths.get(name, Health.NOT_DEPLOYED).rank
        )
        first = _first(models, chosen, len(models) if room is None else room)
        window = models[first : None if room is None else first + room]
        states = as_shown(services, connection, store.states_on(connection, window))
        requests = roll_outs.unfinished(connection)
        shown = [number for number, model in requests if model in window]
        others = [number for number, model in requests if model not in window][:_OTHERS]
        rows = roll_outs.targets_of(connection, [*shown, *others])
        planned = rollouts.unfinished_models(connection)
        by_plan = [number for number, model in planned if model in window]
        by_plan += [number for number, model in planned if model not in window][:_OTHERS]
        found = [_by_plan(connection, one) for one in rollouts.of_numbers(connection, by_plan)]
        places = store.places(connection)
        counts = counts_as_known(
            deployment_states.count_by_health(connection), watched=not unwatched(services, connection)
        )
    return Fleet(
        states=tuple(states),
        roll_outs=(*found, *_roll_outs(rows)),
        more_roll_outs=len(requests) - len(shown) - len(others) + len(planned) - len(by_plan),
        models=tuple(models),
        first=first,
        window=tuple(window),
        places=tuple(places),
        counts=counts,
    )


def _first(models: Sequence[str], chosen: str, room: int) -> int:
    """Position of the first model shown, so that the chosen one is among ``room`` models."""
    position = models.index(chosen) if chosen in models else 0
    return max(0, min(position - room + 1, len(models) - room)) if position >= room else 0


def _by_plan(connection: Connection, rollout: Rollout) -> RollOut:
    """A roll-out by a plan, as it is on record."""
    serving = {place.target: place.serving for place in rollout_facts.places(connection, rollout.id)}
    there = [one.target for one in rollout.targets if one.state is PlaceState.LIVE]
    return RollOut(
        model=rollout.model,
        version=rollout.version,
        request=rollout.request_id,
        waits=False,
        there=tuple(there),
        to_come=tuple(one.target for one in rollout.targets if one.state is not PlaceState.LIVE),
        under_way=tuple(target for target in there if serving[target] is ServingState.LOADING),
        failed=tuple(target for target in there if serving[target] in _NOT_ANSWERING),
        rollout=rollout.id,
        step=f"{rollout.state}, {rollout.place_text}",
        trials=tuple(one.target for one in rollout.targets if one.state.is_trial),
    )


def _roll_outs(rows: Sequence[Row]) -> list[RollOut]:
    """Roll-outs of requests. A later deployment, above all a roll-back, ends the part of a roll-out that is on that target."""
    found = []
    for request, group in groupby(rows, key=lambda row: row["request"]):
        targets = list(group)
        there = [row for row in targets if row["there"]]
        found.append(
            RollOut(
                model=targets[0]["model"],
                version=targets[0]["version"],
                request=request,
                waits=targets[0]["status"] == RequestStatus.OPEN,
                there=tuple(row["target"] for row in there),
                to_come=tuple(row["target"] for row in targets if not row["there"] and not row["moved_on"]),
                under_way=tuple(row["target"] for row in there if row["serving"] == ServingState.LOADING),
                failed=tuple(row["target"] for row in there if row["serving"] in _NOT_ANSWERING),
            )
        )
    return found


_NOT_ANSWERING = (ServingState.DOWN, ServingState.FAILED)
