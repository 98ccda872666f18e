"""Increment of one window of the finest level."""

from dataclasses import dataclass, field

from pilothouse.statistics.profiles import latency
from pilothouse.statistics.profiles.latency import LatencyProfile
from pilothouse.statistics.profiles.profile import Profile


@dataclass(slots=True)
class Increment:
    """Counts and profile that a batch adds to one window."""

    rows: int = 0
    requests: int = 0
    errors: int = 0
    latencies: LatencyProfile = field(default_factory=latency.empty_latencies)
    profile: Profile | None = None
