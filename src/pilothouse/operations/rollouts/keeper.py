"""Keeper of roll-outs: looks at each that is not finished, and carries out its next act in a transaction of its own."""

from collections.abc import Callable
from dataclasses import dataclass

from pilothouse.domain.errors import PilothouseError
from pilothouse.domain.identity.roles import DAEMON, Permission
from pilothouse.domain.rollouts.rollout import Rollout
from pilothouse.domain.rollouts.rules import Act, Wait, next_act
from pilothouse.operations.authorisation import changing, present
from pilothouse.operations.rollouts.acts import carry_out
from pilothouse.operations.rollouts.evidence import fold
from pilothouse.operations.rollouts.facts import UNKNOWN, Serving, gather
from pilothouse.operations.services import Services
from pilothouse.store import rollouts

_MOST = 100
"""Acts of one roll-out in one turn: a plan has fewer; the others have their turn meanwhile."""


@dataclass(frozen=True, slots=True)
class Done:
    """Act that was carried out, or the fault that it met; that roll-out is looked at again in the next turn."""

    rollout: Rollout
    act: Act
    fault: str = ""


def keep(
    services: Services, stop: Callable[[], bool] = lambda: False, serving: Serving = UNKNOWN
) -> list[Done]:
    """Fold what has come, and carry out what follows for every unfinished roll-out; a fault of one keeps none of the others.
    Cheap where nothing does.

    Each act is looked for in its own transaction again: whatever was decided meanwhile counts.
    """
    done: list[Done] = []
    with services.registry.read() as connection:
        numbers = rollouts.unfinished_numbers(connection)
    for number in numbers:
        for _ in range(_MOST):
            if stop():
                return done
            one = _step(services, number, serving)
            if one is None:
                break
            done.append(one)
            if one.fault:
                break
    return done


def _step(services: Services, number: int, serving: Serving) -> Done | None:
    """Carry out the next act of a roll-out; None where it waits."""
    with services.registry.read() as connection:
        seen = rollouts.find(connection, number)
    assert seen is not None
    act: Act = Wait("")
    try:
        fold(services, seen)
        if isinstance(_next(services, number, serving), Wait):
            return None
        with changing(services, DAEMON, Permission.RUN_DAEMON) as change:
            rollout = rollouts.find(change.connection, number)
            assert rollout is not None
            act = next_act(rollout, gather(services, change.connection, rollout, change.at, serving))
            if isinstance(act, Wait):
                return None
            carry_out(services, change, rollout, act)
    except PilothouseError as error:
        return Done(seen, act, str(error))
    return Done(rollout, act)


def _next(services: Services, number: int, serving: Serving) -> Act:
    with services.registry.read() as connection:
        rollout = rollouts.find(connection, number)
        assert rollout is not None
        return next_act(
            rollout, gather(services, connection, rollout, present(services, connection), serving)
        )
