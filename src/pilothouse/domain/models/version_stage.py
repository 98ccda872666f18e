"""Where a version stands in its life, from facts: gates, requests with their decisions, deployments."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class VersionStage(StrEnum):
    """Stage of a version's life. Nothing of it is stored: it follows from what happened."""

    CANDIDATE = "candidate"
    """Passed every gate, and nothing has come of it yet."""
    REFUSED = "refused"
    """Failed a gate."""
    REQUESTED = "requested"
    """A promotion request of it is open, or its roll-out is on its way and it is live nowhere yet."""
    REJECTED = "rejected"
    """An approver rejected it, and nothing has come of it since."""
    LIVE = "live"
    REPLACED = "replaced"
    """Was live until another version was promoted in its place."""
    ROLLED_BACK = "rolled back"
    """Was live until somebody rolled back to the version before, or its roll-out found harm."""
    RETIRED = "retired"
    """Was never live, and a newer version has been."""


@dataclass(frozen=True, slots=True)
class Standing:
    """Stage of a version, and the act by which it got there. Also such an act of the past, before it is known which of
    them counts."""

    stage: VersionStage = VersionStage.CANDIDATE
    by: str = ""
    """Who trained, requested, rejected or activated."""
    since: datetime | None = None
    request: int | None = None
    """Request that is open, was rejected, or put a version live."""
    reason: str = ""
    outdated: bool = False
    """The open request is outdated: it cannot be approved."""


_ENDS = (VersionStage.REJECTED, VersionStage.REPLACED, VersionStage.ROLLED_BACK)


def standing_of(acts: Sequence[Standing]) -> Standing:
    """Standing of a version, of all acts that concern it: its training first, as a candidate or refused.

    A refused version stays refused. What is live counts most, then what is asked for; of what is over the last act, and
    only where nothing ever came of the version the first activation of a newer one.
    """
    trained = acts[0]
    if trained.stage is VersionStage.REFUSED:
        return trained
    for stages in ((VersionStage.LIVE,), (VersionStage.REQUESTED,), _ENDS, (VersionStage.RETIRED,)):
        found = [act for act in acts if act.stage in stages]
        if found:
            return max(
                found,
                key=lambda act: (act.since is not None, act.since, act.stage is not VersionStage.REJECTED),
            )
    return trained
