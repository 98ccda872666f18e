"""Keeper of roll-outs: looks at each that is not finished, and carries out its next act in a transaction of its own."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from pilothouse.domain.errors import PilothouseError
from pilothouse.domain.identity.roles import DAEMON, Permission
from pilothouse.domain.rollouts.rollout import Rollout
from pilothouse.domain.rollouts.rules import Act, GoBack, Leave, Wait, next_act
from pilothouse.operations.authorisation import changing, present
from pilothouse.operations.rollouts.acts import carry_out
from pilothouse.operations.rollouts.evidence import fold
from pilothouse.operations.rollouts.facts import UNKNOWN, Serving, gather
from pilothouse.operations.services import Services
from pilothouse.store.promotion import rollouts

_LOOK_AGAIN = timedelta(seconds=5)
"""Time after which a roll-out is looked at again though nothing has changed: freezes end by the clock."""
_BACK = GoBack, Leave
"""Acts that take no step forward."""
_MOST = 100
"""Acts of one roll-out in one turn: a plan has fewer; the others have their turn meanwhile."""


@dataclass(frozen=True, slots=True)
class Done:
    """Act that was carried out, or the fault that it met; that roll-out is looked at again in the next turn."""

    number: int
    name: str
    """``roll-out 3 of delay/2``."""
    act: Act
    fault: str = ""


@dataclass(frozen=True, slots=True)
class _Rest:
    """Look after which a roll-out waits: by which states of the databases, and until when nothing changes by time alone."""

    seen: tuple[int, int]
    until: datetime


class Keeper:
    """Keeper that remembers which roll-outs wait. One whose facts have not changed is not looked at again for some seconds:
    fifty that bake cost next to nothing."""

    def __init__(self, services: Services, serving: Callable[[], Serving] = lambda: UNKNOWN) -> None:
        """``serving`` gives what the daemon knows of serving processes."""
        self._services = services
        self._serving = serving
        self._rests: dict[int, _Rest] = {}

    def keep(self, stop: Callable[[], bool] = lambda: False) -> list[Done]:
        """Fold what has come, and carry out what follows for every unfinished roll-out; a fault of one keeps none of the
        others.

        Each act is looked for in its own transaction again: whatever was decided meanwhile counts.
        """
        done: list[Done] = []
        with self._services.registry.read() as connection:
            numbers = rollouts.unfinished_numbers(connection)
        self._rests = {number: rest for number, rest in self._rests.items() if number in numbers}
        serving = self._serving()
        for number in numbers:
            for _ in range(_MOST):
                if stop() or self._is_resting(number):
                    break
                seen, now = self._seen(), self._services.now()
                one = _step(self._services, number, serving)
                if isinstance(one, Wait):
                    until = now + _LOOK_AGAIN
                    self._rests[number] = _Rest(seen, min(one.until or until, until))
                    break
                done.append(one)
                if one.fault:
                    break
        return done

    def _seen(self) -> tuple[int, int]:
        services = self._services
        telemetry = services.telemetry.data_version() if services.paths.telemetry.exists() else 0
        return services.registry.data_version(), telemetry

    def _is_resting(self, number: int) -> bool:
        rest = self._rests.get(number)
        return rest is not None and self._services.now() < rest.until and rest.seen == self._seen()


def keep(
    services: Services, stop: Callable[[], bool] = lambda: False, serving: Serving = UNKNOWN
) -> list[Done]:
    """One turn of a keeper that remembers nothing."""
    return Keeper(services, lambda: serving).keep(stop)


def _step(services: Services, number: int, serving: Serving) -> Done | Wait:
    """Carry out the next act of a roll-out, where it does not wait."""
    name = f"roll-out {number}"
    act: Act = Wait("")
    try:
        with services.registry.read() as connection:
            seen = rollouts.find(connection, number)
        assert seen is not None
        name = f"roll-out {number} of {seen.uri}"
        fault = _fold(services, seen)
        act = _next(services, number, serving)
        if fault and not isinstance(act, _BACK):
            return Done(number, name, act, fault)
        if isinstance(act, Wait):
            return act
        with changing(services, DAEMON, Permission.RUN_DAEMON) as change:
            rollout = rollouts.find(change.connection, number)
            assert rollout is not None
            act = next_act(rollout, gather(services, change.connection, rollout, change.at, serving))
            if fault and not isinstance(act, _BACK):
                return Done(number, name, act, fault)
            if isinstance(act, Wait):
                return act
            carry_out(services, change, rollout, act)
    except PilothouseError as error:  # a plan that cannot be read, too: the others go on
        return Done(number, name, act, str(error))
    return Done(number, name, act)


def _fold(services: Services, rollout: Rollout) -> str:
    """Fold what has come; returns the fault that it met. What cannot be folded holds a roll-out where it is, and keeps none
    from going back by what is known."""
    try:
        fold(services, rollout)
    except PilothouseError as error:
        return str(error)
    return ""


def _next(services: Services, number: int, serving: Serving) -> Act:
    with services.registry.read() as connection:
        rollout = rollouts.find(connection, number)
        assert rollout is not None
        return next_act(
            rollout, gather(services, connection, rollout, present(services, connection), serving)
        )
