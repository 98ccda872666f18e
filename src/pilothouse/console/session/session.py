"""The session: who looks at which workspace. Every screen needs it to load and to act."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING

from pilothouse.domain.identity.roles import Actor

if TYPE_CHECKING:
    from pilothouse.console.session.config import ConsoleConfig
    from pilothouse.console.session.options import ConsoleOptions
    from pilothouse.domain.monitoring.monitoring import DaemonState
    from pilothouse.domain.promotion.break_glass import BrokenGlass
    from pilothouse.domain.promotion.workspace_rules import Automation
    from pilothouse.domain.replay import Replay
    from pilothouse.operations.services import Services


def _defaults() -> "ConsoleConfig":
    from pilothouse.console.session.config import ConsoleConfig

    return ConsoleConfig()


@dataclass(frozen=True, slots=True)
class Status:
    """The state that every screen shows beside its own data. Equal values mean that nothing is to be repainted."""

    actor: Actor
    demo: bool
    automation: "Automation"
    daemon: "DaemonState"
    versions: tuple[int, ...] = ()
    """``data_version`` of both databases: it moves when somebody writes."""
    plugins: bool = True
    """Whether the workspace lets consoles run plugins."""
    frozen: str = ""
    """The reason why nothing may be written in the workspace; empty where it may."""
    replay: "Replay | None" = None
    """How far a replay of past data is; None where there is none."""
    glass: "tuple[BrokenGlass, ...]" = ()
    """Deployments by breaking the glass that two others have not looked at."""
    solo: str = ""
    """The one person who runs the workspace, with four eyes off; empty otherwise."""
    idle_lock_s: int | None = None
    """Seconds without a key after which the console locks itself; None: it does not."""


def is_same_registry(before: Status | None, after: Status) -> bool:
    """True where nothing has changed but what arrived in telemetry, and how far a replay is."""
    if (
        before is None
        or len(before.versions) != len(after.versions)
        or before.versions[:1] != after.versions[:1]
    ):
        return False
    return before == replace(after, versions=before.versions, replay=before.replay)


@dataclass
class Session:
    """One operator's session. ``opener`` opens the workspace; it runs in a thread and may be called again."""

    opener: "Callable[[], Services]"
    options: "ConsoleOptions"
    services: "Services | None" = None
    status: Status | None = None
    models: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()
    """Names, for completion."""
    config: "ConsoleConfig" = field(default_factory=_defaults)
    number: int | None = None
    """The number of this session's record."""
    ended: str = ""
    """The reason why this console ends by itself; empty while it does not."""
    past: "Services | None" = None
    """The workspace as it was at a time, while that is shown."""

    @property
    def seen(self) -> "Services | None":
        """The services that screens load from: the past while one is shown, else the present."""
        return self.past or self.services

    @property
    def at(self) -> datetime | None:
        """The event time shown; None for the present."""
        return self.past.at if self.past else None

    @property
    def actor(self) -> Actor:
        """The actor with the grants last read."""
        return self.status.actor if self.status else Actor(self.options.as_name or self.options.user)

    def close(self) -> None:
        """Close the workspace, and the past where one is shown."""
        for opened in (self.past, self.services):
            if opened is not None:
                opened.close()
