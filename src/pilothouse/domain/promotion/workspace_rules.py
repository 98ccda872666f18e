"""What holds for every model of a workspace: the floor under their policies, and whether automation runs."""

from dataclasses import dataclass, field
from datetime import datetime

from pilothouse.domain.promotion.statements import Component


@dataclass(frozen=True, slots=True)
class WorkspacePolicy:
    """The admin's floor under every model's policy. Nobody's hands, or one person's, take an admin to allow."""

    approvals: int = 1
    four_eyes: bool = True
    allow_automatic: bool = False
    set_by: str = ""
    recorded_at: datetime | None = None
    signature: Component = Component.NONE
    teams: dict[str, int] = field(default_factory=dict)
    """Approvals needed of each team at least, for every model."""
    documents: tuple[str, ...] = ()
    plan: str = ""
    """Plan that every model's versions go out by at least; empty: none."""
    replay: int | None = None
    """Seconds of recorded traffic that every model's versions answer at least before they are requested; None: none."""
    solo: str = ""  # the one person who runs the workspace, until somebody else may approve


@dataclass(frozen=True, slots=True)
class Automation:
    """State of automation; shown on every screen while it is paused."""

    paused: bool
    reason: str = ""
    actor: str = ""
    recorded_at: datetime | None = None
