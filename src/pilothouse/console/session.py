"""Who looks at which workspace: what every screen needs to load and to act."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pilothouse.domain.monitoring import DaemonState
from pilothouse.domain.records import Automation
from pilothouse.domain.roles import Actor

if TYPE_CHECKING:
    from pilothouse.operations.services import Services


@dataclass(frozen=True, slots=True)
class Status:
    """What every screen shows beside its own data. Equal values mean that nothing is to be repainted."""

    actor: Actor
    demo: bool
    automation: Automation
    daemon: DaemonState
    versions: tuple[int, ...] = ()
    """``data_version`` of both databases: when it moves, somebody has written."""


@dataclass
class Session:
    """One operator's session. ``opener`` opens the workspace; it is called in a thread and may be called again.

    ``user`` is who the system says it is; ``as_name`` the name that a trusted wrapper (or a demo) hands over.
    """

    opener: "Callable[[], Services]"
    user: str
    as_name: str | None = None
    services: "Services | None" = None
    status: Status | None = None
    models: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()
    """Names, for completion."""

    @property
    def actor(self) -> Actor:
        """The actor with the grants last read."""
        return self.status.actor if self.status else Actor(self.as_name or self.user)
