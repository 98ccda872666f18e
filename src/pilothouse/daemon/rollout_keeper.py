"""Keeper of roll-outs in the daemon: a turn at every change of registry or telemetry, and each second."""

import functools
import logging
from collections.abc import Callable

from pilothouse.daemon.logs import say
from pilothouse.daemon.thread_loop import Wakeup, repeat
from pilothouse.domain.rollouts.rules import GoBack, Pause
from pilothouse.operations.rollouts import keeper
from pilothouse.operations.rollouts.facts import Serving
from pilothouse.operations.services import Services
from pilothouse.operations.workspace import write_state

log = logging.getLogger(__name__)

_LOOK_AT_LEAST_EVERY_S = 1.0
_RESTS_S = 0.1
"""Least rest after a turn: a stream of telemetry leaves time to others."""


def keep_rollouts(services: Services, wakeup: Wakeup, serving: Callable[[], Serving]) -> None:
    """Look until the daemon stops. ``serving`` gives what the daemon knows of serving processes."""
    faults: dict[int, str] = {}
    repeat(
        wakeup,
        functools.partial(_turn, services, wakeup, keeper.Keeper(services, serving), faults),
        at_least_every_s=_LOOK_AT_LEAST_EVERY_S,
        rest_s=_RESTS_S,
    )


def _turn(services: Services, wakeup: Wakeup, kept: keeper.Keeper, faults: dict[int, str]) -> None:
    """One turn. ``faults``: the last fault of each roll-out that met one, by its number: the log has each fault once."""
    if write_state.state(services) is not None:
        return
    for done in kept.keep(wakeup.stop.is_set):
        named, number, act = done.name, done.number, done.act
        if done.fault:
            if faults.get(number) != done.fault:
                say(log, logging.ERROR, f"{named}: {done.fault}", rollout=number)
            faults[number] = done.fault
            continue
        faults.pop(number, None)
        if isinstance(act, GoBack):
            say(log, logging.WARNING, f"{named} goes back: {act.breach.why}", rollout=number)
        elif isinstance(act, Pause):
            say(log, logging.WARNING, f"{named} is paused: {act.why}", rollout=number)
        else:
            say(log, logging.INFO, f"{named}: {type(act).__name__.lower()}", rollout=number)
