"""Targets as places: tokens of those on other machines, their clocks, and what differs from what they should run."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

LONGEST_TOKEN = timedelta(days=365)
"""Time for which a token of another machine is valid at most."""
SKEW_THAT_MATTERS_US = 1_000_000
"""Skew of a clock, beyond its bound, from which it is named: events carry the time of that clock."""


@dataclass(frozen=True, slots=True)
class RemoteToken:
    """Token of a target on another machine, as it is on record: never the token itself."""

    id: int
    target: str
    issued_by: str
    recorded_at: datetime
    ends_at: datetime
    revoked_at: datetime | None
    revoked_by: str | None

    def state_at(self, now: datetime) -> str:
        """``in force``, ``ended`` or ``revoked``."""
        if self.revoked_at is not None:
            return "revoked"
        return "ended" if now >= self.ends_at else "in force"


@dataclass(frozen=True, slots=True)
class TargetClock:
    """Clock of a target's machine against the hub's: ahead by ``skew_us`` (below 0: behind), give or take ``bound_us``."""

    skew_us: int
    bound_us: int
    measured_at: datetime

    @property
    def matters(self) -> bool:
        """True where it is off by more than a second for sure."""
        return abs(self.skew_us) - self.bound_us > SKEW_THAT_MATTERS_US

    @property
    def text(self) -> str:
        """``+0.012 s ± 0.003``."""
        return f"{self.skew_us / 1e6:+.3f} s ± {self.bound_us / 1e6:.3f}"


@dataclass(frozen=True, slots=True)
class Difference:
    """Model of which a target runs another version than it should. None: nothing of it is, or should be, there."""

    target: str
    model: str
    desired: int | None
    actual: int | None
    why: str
    since: datetime

    @property
    def text(self) -> str:
        """``should run 4, runs 3: it is being loaded``."""
        should = f"should run {self.desired}" if self.desired is not None else "should not run it"
        does = f"runs {self.actual}" if self.actual is not None else "runs none"
        return f"{should}, {does}" + (f": {self.why}" if self.why else "")


def differing(
    desired: Mapping[str, int], actual: Mapping[str, int] | None, why: Mapping[str, str], silent: str
) -> dict[str, tuple[int | None, int | None, str]]:
    """Models of one target of which it runs another version than it should: desired, actual, and the reason.

    ``actual`` None: nothing is heard of it, for the reason ``silent``; then nobody knows what it runs.
    """
    if actual is None:
        return {model: (version, None, silent) for model, version in desired.items()}
    found: dict[str, tuple[int | None, int | None, str]] = {}
    for model in sorted({*desired, *actual}):
        should, does = desired.get(model), actual.get(model)
        if should != does:
            found[model] = should, does, why.get(model, "")
    return found
