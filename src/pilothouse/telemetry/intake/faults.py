"""Kill points: points at which a test ends the process, to prove what survives. Inactive unless the environment names one."""

import os
import signal

VARIABLE = "PILOTHOUSE_KILL_AT"
"""Environment variable that names a kill point, and after a colon how many times it is passed before:
``before the commit of a batch:3``."""
_passed: dict[str, int] = {}


def reach(point: str) -> None:
    """Kill this process with SIGKILL if the environment names this kill point."""
    setting = os.environ.get(VARIABLE)
    if setting is None:
        return
    name, _, count = setting.partition(":")
    if name == point:
        _passed[point] = _passed.get(point, 0) + 1
        if _passed[point] > int(count or 0):
            os.kill(os.getpid(), signal.SIGKILL)
