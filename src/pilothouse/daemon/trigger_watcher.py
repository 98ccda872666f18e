"""Watcher of triggers: new data, and versions that reached a state."""

import functools
import logging

from pilothouse.daemon.logs import say
from pilothouse.daemon.thread_loop import Wakeup, repeat
from pilothouse.operations.automation import triggers
from pilothouse.operations.automation.network_marks import end_looks
from pilothouse.operations.services import Services

log = logging.getLogger(__name__)

_LOOK_AT_LEAST_EVERY_S = 10.0
_RESTS_S = 1.0
"""Least rest after a turn."""


def keep_triggers(services: Services, wakeup: Wakeup) -> None:
    """Look until the daemon stops: at every change of the registry, and every ten seconds."""
    try:
        repeat(
            wakeup,
            functools.partial(_turn, services),
            at_least_every_s=_LOOK_AT_LEAST_EVERY_S,
            rest_s=_RESTS_S,
        )
    finally:
        end_looks(services.registry)


def _turn(services: Services) -> None:
    for event in triggers.check_triggers(services):
        came = f"job {event.job}" if event.job else event.reason
        say(
            log,
            logging.INFO,
            f"trigger {event.trigger} of {event.model}: {event.what}: {came}",
            model=event.model,
            trigger=event.trigger,
            job=event.job,
        )
