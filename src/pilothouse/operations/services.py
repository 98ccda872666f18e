"""What every operation works with: the stores of one workspace, and the clocks."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING

from pilothouse.artifacts import ArtifactStore
from pilothouse.store.connection import Registry
from pilothouse.system.paths import WorkspacePaths
from pilothouse.system.write_guard import WriteGuard

if TYPE_CHECKING:
    from pilothouse.telemetry import TelemetryStore


def wall_clock() -> datetime:
    """Now, aware, in UTC."""
    return datetime.now(UTC)


@dataclass
class Services:
    """An open workspace. ``now`` is the wall clock, aware, in UTC."""

    paths: WorkspacePaths
    registry: Registry
    artifacts: ArtifactStore
    now: Callable[[], datetime]
    open_telemetry: "Callable[[], TelemetryStore]"
    at: datetime | None = None
    """Event time at which everything is looked at (see ``time_machine``); None for the present."""
    read_only: bool = False
    """Every change is refused, whoever asks: for a console that was opened to look only."""

    @property
    def write_guard(self) -> WriteGuard:
        """Whether anything may be written now."""
        return WriteGuard(self.paths.read_only)

    @cached_property
    def telemetry(self) -> "TelemetryStore":
        """Predictions and profiles; opened when first asked for."""
        return self.open_telemetry()

    def event_clock(self, target: str, model: str | None = None) -> datetime | None:
        """The newest event of a model on a target (of any model where none is named), or None where none has arrived."""
        if "telemetry" not in self.__dict__ and not self.paths.telemetry.exists():
            return None
        return self.telemetry.clock(target, model)

    def close(self) -> None:
        """Close both databases."""
        self.registry.close()
        if "telemetry" in self.__dict__:
            self.telemetry.close()
