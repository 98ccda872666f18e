"""What an open promotion request still stands on: changes since its evidence was frozen, and requests that wait."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from pilothouse.domain.promotion.freezes import FreezeWindow
from pilothouse.domain.promotion.policies import EffectivePolicy

_NAMED = 3
"""Targets that are named; more are counted."""


@dataclass(frozen=True, slots=True)
class RulesInForce:
    """What the rules in force now ask of an open request."""

    policy: EffectivePolicy
    """The tighter of the frozen policy and the present one, in every respect."""
    tightened: tuple[str, ...] = ()
    """Respects in which that is tighter than the frozen one: ``2 approvals since the policy of 2026-03-14``."""
    judged_looser: tuple[str, ...] = ()
    """Gates in force that its version has not passed."""
    missing_teams: Mapping[str, int] = field(default_factory=dict)
    """Approvals that are still missing of teams."""
    freezes: tuple[FreezeWindow, ...] = ()
    """Freeze windows that are not lifted."""
    other_plan: bool = False
    """Its evidence shows another plan than the one in force."""
    can_approve: tuple[str, ...] = ()
    """Those who may approve it, by their roles and by four eyes: one name a person."""
    also_named: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Other names of persons who may approve it, by the name in ``can_approve``."""


@dataclass(frozen=True, slots=True)
class RulesAtDecision:
    """Policy by which a closed request was decided, and the approvals that counted by it."""

    policy: EffectivePolicy
    approvals: int


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


@dataclass(frozen=True, slots=True)
class DeploymentEnd:
    """Target on which the version of a deployed request is live no more: since when, by whom, and what took its place."""

    target: str
    how: str
    """``replaced`` or ``rolled back``."""
    live: int
    """Version that went live in its place."""
    by: str
    at: datetime
    """Wall clock."""
    everywhere: bool
    """True where it is live on none of the request's targets."""


class RequestState(StrEnum):
    """State of a request as lists show it: its status, the reason why an open one waits for nobody, or what came of a deployed
    one that is live nowhere."""

    OPEN = "open"
    OUTDATED = "outdated"
    EXPIRED = "expired"
    APPROVED = "approved"
    """Its roll-out is on its way."""
    COMPLETED = "completed"
    """Its roll-out has brought the version to every target."""
    ABORTED = "aborted"
    """Somebody ended its roll-out."""
    DEPLOYED = "deployed"
    REPLACED = "replaced"
    """It was deployed, and other versions have been promoted in its place since."""
    ROLLED_BACK = "rolled back"
    """It was deployed, and somebody rolled back to the version before since; or its roll-out went back."""
    REJECTED = "rejected"
    WITHDRAWN = "withdrawn"
    SUPERSEDED = "superseded"


@dataclass(frozen=True, slots=True)
class WaitingRequest:
    """Open request that somebody may decide now, without its evidence. ``expires_at`` is by the rules in force."""

    id: int
    model: str
    version: int
    targets: tuple[str, ...]
    requested_by: str
    reason: str
    recorded_at: datetime
    expires_at: datetime
    evidence_digest: str


def judged_looser_text(model: str, version: int, lines: Sequence[str]) -> str:
    """Reason why a version that looser gates judged can be neither requested nor approved."""
    return f"{model}/{version} was judged before the gates were tightened: {'; '.join(lines)}: train again"


def changes_text(changes: Sequence[IncumbentChange], requested: int) -> str:
    """``compared with v3 on jfk; v2 is live there since 2026-05-03``; targets with the same change are named together.
    ``requested`` is the version of the request."""
    groups: dict[tuple[int | None, int | None, bool], list[IncumbentChange]] = {}
    for change in changes:
        groups.setdefault((change.compared_with, change.live, change.gone), []).append(change)
    return "; ".join(_group_text(group, requested) for group in groups.values())


def ends_text(ends: Sequence[DeploymentEnd]) -> str:
    """``rolled back on jfk 2013-05-03 by oscar, v1 went live``; targets with the same end are named together."""
    groups: dict[tuple[str, int, str, str], list[str]] = {}
    for end in ends:
        groups.setdefault((end.how, end.live, end.by, f"{end.at:%Y-%m-%d}"), []).append(end.target)
    return "; ".join(
        f"{how} on {_targets(targets)} {day} by {by}, v{live} went live"
        for (how, live, by, day), targets in groups.items()
    )


def _targets(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return f"{', '.join(names[:_NAMED])}{more}"


def _group_text(group: Sequence[IncumbentChange], requested: int) -> str:
    first = group[0]
    targets = _targets([change.target for change in group])
    if first.gone:
        return f"the model file names {targets} no more"
    since = max((change.since for change in group if change.since is not None), default=None)
    dated = f" since {since:%Y-%m-%d}" if since is not None else ""
    if first.live == requested:
        return f"v{requested} is live on {targets} already{dated}"
    before = f"v{first.compared_with}" if first.compared_with is not None else "nothing live"
    now = f"v{first.live} is live there{dated}" if first.live is not None else "nothing is live there now"
    return f"compared with {before} on {targets}; {now}"
