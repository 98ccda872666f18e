"""A replay of past data as live traffic: how far it is, and what a reader must know of it."""

from dataclasses import dataclass
from datetime import date


@dataclass(frozen=True, slots=True)
class Replay:
    """How far a replay is. It goes on while its process lives, until the last day has been sent."""

    day: int
    """Days sent; 0 before the first."""
    days: int
    clocks: tuple[tuple[str, date], ...]
    """Model and the day that was sent last, on the calendar of its own data."""
    running: bool

    @property
    def ended(self) -> bool:
        """Whether every day has been sent."""
        return self.day >= self.days
