"""What an open promotion request still stands on: changes since its evidence was frozen, and requests that wait."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

_NAMED = 3
"""Targets that are named; more are counted."""


@dataclass(frozen=True, slots=True)
class IncumbentChange:
    """Target on which something else is live than the evidence of an open request compares with."""

    target: str
    compared_with: int | None
    """Version that was live when the request was filed; None: nothing was."""
    live: int | None
    since: datetime | None
    """When the live version was activated, by the wall clock."""
    gone: bool
    """The model file in force names the target no more."""


class RequestState(StrEnum):
    """State of a request as lists show it: its status, or the reason why an open one waits for nobody."""

    OPEN = "open"
    OUTDATED = "outdated"
    EXPIRED = "expired"
    DEPLOYED = "deployed"
    REJECTED = "rejected"
    WITHDRAWN = "withdrawn"
    SUPERSEDED = "superseded"


@dataclass(frozen=True, slots=True)
class WaitingRequest:
    """Open request that somebody may decide now, without its evidence."""

    id: int
    model: str
    version: int
    targets: tuple[str, ...]
    requested_by: str
    reason: str
    recorded_at: datetime
    expires_at: datetime
    evidence_digest: str


def changes_text(changes: Sequence[IncumbentChange], requested: int) -> str:
    """``compared with v3 on jfk; v2 is live there since 2026-05-03``; targets with the same change are named together.
    ``requested`` is the version of the request."""
    groups: dict[tuple[int | None, int | None, bool], list[IncumbentChange]] = {}
    for change in changes:
        groups.setdefault((change.compared_with, change.live, change.gone), []).append(change)
    return "; ".join(_group_text(group, requested) for group in groups.values())


def _group_text(group: Sequence[IncumbentChange], requested: int) -> str:
    first = group[0]
    names = [change.target for change in group]
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    targets = f"{', '.join(names[:_NAMED])}{more}"
    if first.gone:
        return f"the model file names {targets} no more"
    since = max((change.since for change in group if change.since is not None), default=None)
    dated = f" since {since:%Y-%m-%d}" if since is not None else ""
    if first.live == requested:
        return f"v{requested} is live on {targets} already{dated}"
    before = f"v{first.compared_with}" if first.compared_with is not None else "nothing live"
    now = f"v{first.live} is live there{dated}" if first.live is not None else "nothing is live there now"
    return f"compared with {before} on {targets}; {now}"
