"""Process that keeps an outbox and is killed at a named point: ``python outbox_killed.py`` reads root, time, point and how
often it is passed before (JSON) from each line of its input, forks a child for it, and writes how the child ended."""

import json
import os
import signal
import sys
import time as clock
from datetime import UTC, datetime
from pathlib import Path

from pilothouse.composition import open_workspace
from pilothouse.operations.alerts import alerts
from pilothouse.operations.outbox import courier, rounds
from pilothouse.operations.outbox.courier import Came, Courier
from pilothouse.store import connection as registry
from pilothouse.store.deployed.alerts import NewAlert

START = datetime(2026, 5, 3, 12, tzinfo=UTC)
REACHED, MISSED = "killed", "not reached"
OPENING = ("opening", "opened")
POINTS = (
    *OPENING, "routed", "made", "committed", "claimed", "handed over", "answered", "recording", "recorded", "removed",
)  # fmt: skip
"""Points at which the daemon may be killed: before and after the commit of an alert that opens, while messages are made,
before, while and after one is sent, and while the answer is recorded."""


def _kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def new_alert(subject: str) -> NewAlert:
    """An alert of the subject."""
    return NewAlert(
        model="delay", version=1, target="ewr", kind="data_drift", subject=subject, severity="warning", effective_at=START,
        summary=subject, explanation="why", figures={},
    )  # fmt: skip


def _child(root: str, time: str, point: str, before: int, subject: str) -> None:
    services = open_workspace(Path(root))
    services.now = lambda: datetime.fromisoformat(time)
    services.event_clocks = lambda model: {}  # type: ignore[method-assign]
    passed = 0

    def reached(name: str) -> None:
        nonlocal passed
        if name == point:
            passed += 1
            if passed > before:
                _kill()

    if subject:
        if point == "opening":
            registry.row_digests.settle = lambda *_, **__: _kill()
        alerts.open_alert(services, new_alert(subject))
        reached("opened")
    keep(services, reached)
    services.close()


def keep(services, reached) -> None:  # type: ignore[no-untyped-def]
    """Turns until nothing is due."""

    def stopping(seconds: float) -> bool:
        clock.sleep(min(seconds, 0.005))
        return False

    carrier = Courier(services, stopping=stopping, reached=reached)
    carrier.clean()
    deadline = clock.monotonic() + 60
    while clock.monotonic() < deadline:
        while rounds.turn(services, reached) == 0.0:
            pass
        due = courier.due_now(services)
        if not due:
            return
        if all(carrier.deliver(one) is Came.BUSY for one in due):
            clock.sleep(0.02)
    raise TimeoutError("the outbox was not empty within a minute")


def main() -> None:
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            try:
                _child(*json.loads(line))
                os._exit(0)
            except BaseException:  # noqa: BLE001 - the parent says that it failed
                import traceback

                traceback.print_exc()
            finally:
                os._exit(1)
        _, status = os.waitpid(pid, 0)
        was_killed = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
        print(json.dumps(REACHED if was_killed else MISSED if status == 0 else "failed"), flush=True)


if __name__ == "__main__":
    main()
