"""Watches a workspace for changes of other processes: two numbers, some microseconds, every half second."""

from dataclasses import replace
from typing import TYPE_CHECKING

from textual.message import Message

from pilothouse.console.session import Session, Status
from pilothouse.domain.errors import PilothouseError
from pilothouse.domain.roles import Actor

if TYPE_CHECKING:
    from pilothouse.operations.services import Services

INTERVAL_S = 0.5


class Looked(Message):
    """The watcher has looked: what is so now, or why it cannot be seen."""

    def __init__(self, status: Status | None, problem: str = "") -> None:
        super().__init__()
        self.status = status
        self.problem = problem


def look(session: Session) -> Looked:
    """Open the workspace if it is not open, and look. Runs in a thread and raises nothing."""
    try:
        if session.services is None:
            session.services = session.opener()
        return Looked(_status(session, session.services))
    except PilothouseError as error:
        return Looked(None, str(error))
    except Exception as error:  # noqa: BLE001 - said on the screen: a watcher that dies in silence shows a frozen world
        return Looked(None, f"internal error: {type(error).__name__}: {error}")


def _status(session: Session, services: "Services") -> Status:
    """What is so now; reads little where nothing has changed."""
    from pilothouse.operations import automation, processes, workspaces

    versions = (services.registry.data_version(), _telemetry_version(services))
    # The heartbeat moves all the time; leaving it out lets an unchanged state be an equal value.
    daemon = replace(processes.daemon_state(services), heartbeat_at=None)
    before = session.status
    if before is not None and before.versions == versions:
        return before if before.daemon == daemon else replace(before, daemon=daemon)
    actor = workspaces.identify(services, session.user, session.as_name)
    session.models, session.targets = _names(services, actor)
    return Status(actor, workspaces.is_demo(services), automation.status(services, actor), daemon, versions)


def _telemetry_version(services: "Services") -> int:
    """0 as long as no prediction has ever arrived: looking must not create the database."""
    if not services.paths.telemetry.exists():
        return 0
    return services.telemetry.data_version()


def _names(services: "Services", actor: Actor) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Models and targets, for completion."""
    from pilothouse.operations import catalogue

    models = catalogue.list_models(services, actor)
    targets = dict.fromkeys(target for model in models for target in model.targets)
    return tuple(model.name for model in models), tuple(targets)
