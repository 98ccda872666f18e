"""Breaking the glass: a deployment that one person makes in an emergency without the approvals, and what follows, pure.

It is taken back when its time ends, unless two others have said that it stays. It stays an open item until two others, whatever
they say, have looked at it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from pilothouse.domain.identity.roles import Actor
from pilothouse.domain.promotion.decisions import DecisionSignature

REVIEWERS = 2
"""Other persons who must look at it."""
USUAL = timedelta(hours=4)
"""Time for which the deployment stands where nothing is said."""
LONGEST = timedelta(hours=72)


class Review(StrEnum):
    """Verdict of another person."""

    KEEP = "keep"
    TAKE_BACK = "take back"


@dataclass(frozen=True, slots=True)
class Emergency:
    """What somebody deploys alone, why, and for how long. ``targets``: None for all of the model."""

    reference: str
    targets: Sequence[str] | None
    reason: str
    lasts: timedelta = USUAL


@dataclass(frozen=True, slots=True)
class GlassReview:
    """Review by another person."""

    actor: str
    verdict: Review
    reason: str
    recorded_at: datetime
    person: str = ""
    """Name that stands for the person, by all that is known now."""
    void: str = ""
    """Reason why it does not count now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokenGlass:
    """Deployment made by breaking the glass."""

    id: int
    request_id: int
    model: str
    version: int
    targets: tuple[str, ...]
    actor: str
    reason: str
    recorded_at: datetime
    expires_at: datetime
    taken_back_at: datetime | None
    taken_back_by: str | None
    taken_back_why: str | None
    closed_at: datetime | None
    reviews: tuple[GlassReview, ...] = ()
    live_on: tuple[str, ...] = ()
    """Targets on which its deployment is live now."""
    superseded: tuple[int, ...] = ()
    """Requests that were open for some of its targets, and that it closed."""
    signature: DecisionSignature | None = None
    """Second component with which it was broken."""

    @property
    def is_kept(self) -> bool:
        """True where enough others said that the deployment stays. What is closed stays as it was closed."""
        if self.closed_at is not None:
            return self.taken_back_at is None
        return len({r.person for r in self.counted if r.verdict is Review.KEEP}) >= REVIEWERS

    @property
    def counted(self) -> list[GlassReview]:
        """Reviews that count: one a person, by others who may review."""
        return [review for review in self.reviews if not review.void]

    @property
    def state(self) -> str:
        """``in force``, ``kept`` or ``taken back``."""
        return "taken back" if self.taken_back_at else "kept" if self.is_kept else "in force"

    def runs_out(self, now: datetime) -> bool:
        """True where its time has ended and nobody has taken it back or said that it stays."""
        return self.state == "in force" and self.expires_at <= now


def obstacle_to_review(glass: BrokenGlass, actor: Actor) -> str:
    """Reason why this person may not review it; empty where they may. Whether the role permits it is not looked at."""
    if glass.closed_at is not None:
        return f"break-glass {glass.id} is closed since {glass.closed_at:%Y-%m-%d %H:%M} UTC"
    if actor.has_name(glass.actor):
        return f"{actor.name} broke the glass: two others look at it"
    if any(actor.has_name(review.actor) for review in glass.reviews):
        return f"{actor.name} has reviewed break-glass {glass.id} already: another person is needed"
    return ""
