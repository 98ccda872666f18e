"""Keeper of places in the daemon: compares what targets should run with what they run, and has commands bring it there."""

import time

from pilothouse.daemon.thread_loop import Wakeup, repeat
from pilothouse.operations.fleet import places
from pilothouse.operations.services import Services
from pilothouse.operations.workspace import write_state

_LOOK_AT_LEAST_EVERY_S = 5.0
_RESTS_S = 0.5
_SHARE_OF_TIME = 0.05
"""Share of the time that comparing a large fleet may take."""


def keep_places(services: Services, wakeup: Wakeup) -> None:
    """Compare until the daemon stops."""
    not_before = 0.0

    def work() -> None:
        nonlocal not_before
        began = time.monotonic()
        if began < not_before or write_state.state(services) is not None:
            return
        places.compare(services)
        not_before = began + (time.monotonic() - began) / _SHARE_OF_TIME

    repeat(wakeup, work, at_least_every_s=_LOOK_AT_LEAST_EVERY_S, rest_s=_RESTS_S)
