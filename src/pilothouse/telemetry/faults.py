"""Kill points: places at which a test ends the process, to prove what survives. Inactive unless the environment names one."""

import os
import signal

VARIABLE = "PILOTHOUSE_KILL_AT"
"""Environment variable that names a kill point, and after a colon how many times it is passed before:
``before the commit of a batch:3``."""
_passed: dict[str, int] = {}


def reach(place: str) -> None:
    """Kill this process with SIGKILL if the environment names this kill point."""
    wanted = os.environ.get(VARIABLE)
    if wanted is None:
        return
    name, _, count = wanted.partition(":")
    if name == place:
        _passed[place] = _passed.get(place, 0) + 1
        if _passed[place] > int(count or 0):
            os.kill(os.getpid(), signal.SIGKILL)
