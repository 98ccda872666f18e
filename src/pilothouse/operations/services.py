"""Stores and clocks of one workspace, which every operation works with."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING

from pilothouse.artifacts import ArtifactStore
from pilothouse.domain.formats.time_units import from_us
from pilothouse.domain.promotion.proposals import Second
from pilothouse.sqlite import Connection
from pilothouse.store.connection import Registry
from pilothouse.system.paths import WorkspacePaths
from pilothouse.system.write_guard import WriteGuard

if TYPE_CHECKING:
    from pilothouse.telemetry import TelemetryStore


def wall_clock() -> datetime:
    """The time of the machine, aware, in UTC."""
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
    """Event time at which the workspace is shown (see ``time_machine``); None for the present."""
    read_only: bool = False
    """Every change is refused, whatever the role: for a console that was opened read-only."""
    second: Second | None = None
    """The other person of the change that is being made, where dual control asks for one."""

    @property
    def write_guard(self) -> WriteGuard:
        """The guard that says whether the workspace may be written now."""
        return WriteGuard(self.paths.read_only)

    @cached_property
    def telemetry(self) -> "TelemetryStore":
        """The telemetry store, opened at the first access."""
        return self.open_telemetry()

    @contextmanager
    def reading_telemetry(self) -> Iterator[Connection | None]:
        """Telemetry to read; None before anything has arrived."""
        if not self.paths.telemetry.exists():
            yield None
            return
        with self.telemetry.read() as connection:
            yield connection

    def event_clock(self, target: str, model: str | None = None) -> datetime | None:
        """Time of the newest event of a model on a target, or of any model where it is None; None before the first event."""
        if "telemetry" not in self.__dict__ and not self.paths.telemetry.exists():
            return None
        return self.telemetry.clock(target, model)

    def event_clocks(self, model: str) -> dict[str, datetime]:
        """Time of the newest event of a model on each target where it has had one."""
        with self.reading_telemetry() as connection:
            if connection is None:
                return {}
            from pilothouse.telemetry.intake.streams import clocks_us

            return {target: from_us(event) for target, event in clocks_us(connection, model).items()}

    def live_targets(self, model: str) -> set[str]:
        """Targets whose events of a model came as they happened, within the hour: neither replayed nor read from old files."""
        with self.reading_telemetry() as connection:
            if connection is None:
                return set()
            from pilothouse.telemetry.intake.streams import live_targets

            return set(live_targets(connection, model))

    def newest_clocks(self) -> dict[str, datetime]:
        """Time of the newest event of any model on each target where there has been one."""
        with self.reading_telemetry() as connection:
            if connection is None:
                return {}
            from pilothouse.telemetry.intake.streams import newest_clocks_us

            return {target: from_us(event) for target, event in newest_clocks_us(connection).items()}

    def close(self) -> None:
        self.registry.close()
        if "telemetry" in self.__dict__:
            self.telemetry.close()
