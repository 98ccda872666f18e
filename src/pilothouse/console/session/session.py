"""Who looks at which workspace: what every screen needs to load and to act."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from pilothouse.domain.roles import Actor

if TYPE_CHECKING:
    from pilothouse.console.session.config import ConsoleConfig
    from pilothouse.console.session.options import ConsoleOptions
    from pilothouse.domain.monitoring import DaemonState
    from pilothouse.domain.records import Automation
    from pilothouse.operations.services import Services


def _defaults() -> "ConsoleConfig":
    from pilothouse.console.session.config import ConsoleConfig

    return ConsoleConfig()


@dataclass(frozen=True, slots=True)
class Status:
    """What every screen shows beside its own data. Equal values mean that nothing is to be repainted."""

    actor: Actor
    demo: bool
    automation: "Automation"
    daemon: "DaemonState"
    versions: tuple[int, ...] = ()
    """``data_version`` of both databases: when it moves, somebody has written."""
    plugins: bool = True
    """Whether the workspace lets consoles run plugins."""
    frozen: str = ""
    """Why nothing may be written in the workspace, in words; empty where it may."""


@dataclass
class Session:
    """One operator's session. ``opener`` opens the workspace; it is called in a thread and may be called again."""

    opener: "Callable[[], Services]"
    options: "ConsoleOptions"
    services: "Services | None" = None
    status: Status | None = None
    models: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()
    """Names, for completion."""
    config: "ConsoleConfig" = field(default_factory=_defaults)
    number: int | None = None
    """Under which this console is on record."""
    past: "Services | None" = None
    """The workspace as it was at some time, while the reader looks at that."""

    @property
    def seen(self) -> "Services | None":
        """What screens read: the past where the reader is there, else the present."""
        return self.past or self.services

    @property
    def at(self) -> datetime | None:
        """The event time at which the reader looks; None for the present."""
        return self.past.at if self.past else None

    @property
    def actor(self) -> Actor:
        """The actor with the grants last read."""
        return self.status.actor if self.status else Actor(self.options.as_name or self.options.user)

    def close(self) -> None:
        """Close what was opened: the workspace, and the past where one is looked at."""
        for opened in (self.past, self.services):
            if opened is not None:
                opened.close()
