"""Process that keeps roll-outs and is killed at a named point: ``python rollout_killed.py`` reads root, time and point (JSON)
from each line of its input, forks a child for it, and writes how the child ended.

``python rollout_killed.py daemon ROOT POINT`` is a daemon of its own that is killed at its point.

A child that reaches its point ends by SIGKILL, as a daemon does that is killed; one that never reaches it ends by itself.
"""

import json
import os
import signal
import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

from pilothouse.composition import open_workspace
from pilothouse.operations.rollouts import acts, keeper
from pilothouse.store import connection as registry
from pilothouse.store.promotion import rollouts

REACHED, MISSED = "killed", "not reached"


def _kill(*_: object, **__: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _after(place: Any, name: str) -> None:
    done: Callable[..., Any] = getattr(place, name)

    def killed(*given: Any, **named: Any) -> Any:
        done(*given, **named)
        _kill()

    setattr(place, name, killed)


POINTS: dict[str, Callable[[], None]] = {
    "before the act": lambda: setattr(keeper, "carry_out", _kill),
    "after the swap forward": lambda: _after(acts, "put_live"),
    "after the swap back": lambda: _after(acts, "go_back"),
    "after the states of the targets": lambda: _after(rollouts, "set_targets"),
    "after the step is entered": lambda: _after(rollouts, "enter"),
    "after the place is moved": lambda: _after(rollouts, "move"),
    "after the pause": lambda: _after(rollouts, "pause"),
    "after the end": lambda: _after(rollouts, "end"),
    "after the event": lambda: _after(rollouts, "add_event"),
    "after the alert": lambda: _after(acts.alerts, "open_alert"),
    "before the commit": lambda: _after(registry.row_digests, "settle"),
    "after the commit": lambda: setattr(keeper, "Done", _kill),
}
"""Points of an act at which the daemon may be killed."""


def _child(root: str, time: str, point: str) -> None:
    services = open_workspace(Path(root))
    services.now = lambda: datetime.fromisoformat(time)
    services.event_clocks = lambda model: {}  # type: ignore[method-assign]
    POINTS[point]()
    keeper.keep(services)
    services.close()


def _daemon(root: str, point: str) -> None:
    """A daemon as it is started in the background, without serving processes."""
    from pilothouse.daemon import main

    if point == "before the commit":  # of the act's transaction: a daemon has others
        carry_out = keeper.carry_out

        def armed(*given: Any) -> None:
            carry_out(*given)
            POINTS[point]()

        keeper.carry_out = armed
    else:
        POINTS[point]()
    sys.exit(main.main(["--root", root, "--no-serving"]))


def main() -> None:
    if sys.argv[1:2] == ["daemon"]:
        _daemon(*sys.argv[2:4])
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            try:
                _child(*json.loads(line))
            finally:
                os._exit(0)
        _, status = os.waitpid(pid, 0)
        was_killed = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
        print(json.dumps(REACHED if was_killed else MISSED), flush=True)


if __name__ == "__main__":
    main()
