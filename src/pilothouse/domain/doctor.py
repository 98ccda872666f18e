"""Findings of ``pilothouse doctor``."""

from dataclasses import dataclass

from pilothouse.domain.monitoring.monitoring import DaemonState


@dataclass(frozen=True, slots=True)
class Finding:
    """One check: whether it passed, and a message with what was found and what to do."""

    check: str
    ok: bool
    finding: str


def end_text(state: DaemonState) -> str:
    """Since when a daemon that does not run is gone, and how it ended as far as is known."""
    if state.stopped_at is not None:
        return f"since {state.stopped_at:%Y-%m-%d %H:%M:%S} UTC, when it stopped as asked"
    if state.heartbeat_at is not None:
        return f"since {state.heartbeat_at:%Y-%m-%d %H:%M:%S} UTC or soon after: it was killed, or its machine was"
    return "and none has run yet"
