"""A watcher for changes by other processes, in a thread of its own. One check reads a few numbers in some microseconds."""

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from textual.message import Message

from pilothouse.console.session.session import Session, Status
from pilothouse.domain.errors import AccessEndedError, PilothouseError
from pilothouse.domain.identity.roles import Actor

if TYPE_CHECKING:
    from pilothouse.operations.services import Services

INTERVAL_S = 0.2
"""Time between two checks for writes of others."""
LEAN_INTERVAL_S = 1.0
PROCESSES_S = 1.0
"""Time between two checks of the daemon, which cost more."""
TROUBLE_S = 0.5


class Looked(Message):
    """The result of a check: the state of the workspace, or why it cannot be read. ``ended``: its user is let in no more."""

    def __init__(self, status: Status | None, problem: str = "", *, ended: bool = False) -> None:
        super().__init__()
        self.ended = ended
        self.status = status
        self.problem = problem


class Upgrading(Message):
    """How many rows of how many are brought to this release, while the workspace is being opened."""

    def __init__(self, done: int, total: int) -> None:
        super().__init__()
        self.done = done
        self.total = total


class Watcher:
    """The thread. It reports only differences; ``stop`` waits until it has ended."""

    def __init__(self, session: Session, report: Callable[[Looked], object]) -> None:
        self._session = session
        self._report = report
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """End the thread; a running check ends first, within a second."""
        self._ended.set()
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join(1.0)

    def _run(self) -> None:
        reported: Looked | None = None
        versions: tuple[int, ...] = ()
        looked_at = 0.0
        while not self._ended.is_set():
            try:
                _check_time(self._session)
                fresh = data_versions(self._session)
            except Exception as error:  # noqa: BLE001 - as in look
                latest = _problem(error)
            else:
                due = time.monotonic() - looked_at >= PROCESSES_S
                if fresh == versions and not due and reported is not None and reported.status is not None:
                    self._wait(reported)
                    continue
                versions, looked_at = fresh, time.monotonic()
                latest = look(self._session)
            if reported is None or (latest.status, latest.problem) != (reported.status, reported.problem):
                self._report(latest)
            reported = latest
            self._wait(latest)

    def _wait(self, reported: Looked) -> None:
        pace = LEAN_INTERVAL_S if self._session.options.lean else INTERVAL_S
        self._ended.wait(pace if reported.status is not None else TROUBLE_S)


def look(session: Session) -> Looked:
    """Open the workspace if it is not open, and check it. Runs in a thread and raises nothing."""
    try:
        if session.services is None:
            session.services = session.opener()
        return Looked(_status(session, session.services))
    except Exception as error:  # noqa: BLE001 - shown on the screen: a watcher that dies in silence leaves a frozen screen
        return _problem(error)


def _problem(error: Exception) -> Looked:
    known = isinstance(error, PilothouseError)
    if isinstance(error, AccessEndedError):
        return Looked(None, str(error), ended=True)
    return Looked(None, str(error) if known else f"internal error: {type(error).__name__}: {error}")


def data_versions(session: Session) -> tuple[int, ...]:
    """``data_version`` of both databases; empty before the workspace is open."""
    services = session.services
    if services is None:
        return ()
    return (services.registry.data_version(), _telemetry_version(services))


def _status(session: Session, services: "Services") -> Status:
    """The present status; reads little where nothing has changed."""
    from pilothouse.operations import automation_switch
    from pilothouse.operations.fleet import processes, replays
    from pilothouse.operations.identity import idle_lock
    from pilothouse.operations.promotion import break_glass
    from pilothouse.operations.workspace import workspaces

    _check_time(session)
    versions = data_versions(session)
    # The heartbeat moves all the time; leaving it out lets an unchanged state be an equal value.
    daemon = replace(processes.daemon_state(services), heartbeat_at=None)
    mark = services.write_guard.state()
    frozen = mark.message if mark else ""
    replay = replays.replay_state(services)
    before = session.status
    if before is not None and before.versions == versions:
        same = (before.daemon, before.frozen, before.replay) == (daemon, frozen, replay)
        return before if same else replace(before, daemon=daemon, frozen=frozen, replay=replay)
    actor = _actor(session, services)
    session.models, session.targets = _names(services, actor)
    plugins = not session.config.plugins or workspaces.plugins_allowed(
        services, handed_over=session.options.as_name not in (None, session.options.user)
    )
    return Status(
        actor,
        workspaces.is_demo(services),
        automation_switch.status(services, actor),
        daemon,
        versions,
        plugins,
        frozen,
        replay,
        tuple(break_glass.list_broken(services, actor, open_only=True)),
        workspaces.solo_person(services),
        idle_lock.seconds(services),
    )


def _actor(session: Session, services: "Services") -> Actor:
    """The user with the roles held now. Raises AccessEndedError once they are let in no more."""
    from pilothouse.operations.identity import trusted_starts
    from pilothouse.operations.workspace import workspaces

    options = session.options
    if options.trusted is not None:
        return trusted_starts.actor_of(services, options.trusted)
    return workspaces.identify(services, options.user, options.as_name, uid=options.uid)


def _check_time(session: Session) -> None:
    """Raise AccessEndedError once the time is over of the key or the certificate that the user came with."""
    from pilothouse.operations.authorisation import check_time

    if session.options.trusted is not None and session.services is not None:
        check_time(session.services, session.options.trusted.actor)


def _telemetry_version(services: "Services") -> int:
    """0 while no prediction has ever arrived: a check must not create the database."""
    if not services.paths.telemetry.exists():
        return 0
    return services.telemetry.data_version()


def _names(services: "Services", actor: Actor) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Models and targets, for completion."""
    from pilothouse.operations import catalogue

    return catalogue.list_names(services, actor)
