"""Inventory of models: what each is for, who answers for it and reviews it, and when its next review is due."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

from pilothouse.domain.identity.roles import Actor
from pilothouse.domain.models.model_spec import InventorySpec, ModelSpec


class ReviewOutcome(StrEnum):
    FIT = "fit"
    """Fit for its intended use."""
    CONDITIONS = "conditions"
    """Fit under conditions, which the reason names."""
    UNFIT = "unfit"
    """Not fit for its intended use: an open item until it is reviewed again or retired."""


@dataclass(frozen=True, slots=True)
class ModelReview:
    """Review of a model, on record. It never changes."""

    id: int
    model: str
    outcome: ReviewOutcome
    reason: str
    reviewed_by: str
    recorded_at: datetime
    next_review: str
    """Date by which the model is reviewed again."""
    spec_digest: str
    """Model file in force at the review."""


@dataclass(frozen=True, slots=True)
class InventoryEntry:
    """One model in the inventory."""

    model: str
    owner: str
    description: str
    said: InventorySpec | None
    """``[inventory]`` of its model file; None where it has none."""
    live_on: tuple[str, ...]
    due: str = ""
    """Date of the next review; empty where none was ever said."""
    review: ModelReview | None = None
    """The newest one."""
    is_due: bool = False

    @property
    def retired(self) -> str:
        """Why it is no longer in use; empty where it is."""
        return self.said.retired if self.said else ""

    @property
    def open_items(self) -> tuple[str, ...]:
        """What somebody has to do about it; nothing once it is retired and live nowhere."""
        if self.retired:
            return (f"retired, and live on {', '.join(self.live_on)}",) if self.live_on else ()
        items = [f"review due since {self.due}"] if self.is_due else []
        if self.review is not None and self.review.outcome is ReviewOutcome.UNFIT:
            items.append(f"found unfit by {self.review.reviewed_by}")
        return tuple(items)


def due_date(said: InventorySpec | None, said_at: datetime | None, review: ModelReview | None) -> str:
    """Date of the next review: that of the model file or of the newest review, whichever was said later.

    ``said_at``: when the model file began to say its date.
    """
    written = said.next_review if said else ""
    if review is None:
        return written
    if written and said_at is not None and said_at > review.recorded_at:
        return written
    return review.next_review


def is_due(due: str, retired: str, today: date) -> bool:
    """True from the day of the review on, until it is recorded."""
    return bool(due) and not retired and due <= today.isoformat()


def open_items_text(entries: Sequence[InventoryEntry]) -> str:
    """``flight-delay: review due since 2027-03-31; bike-demand: found unfit by bo``; empty where nothing is open."""
    return "; ".join(f"{entry.model}: {', '.join(entry.open_items)}" for entry in entries if entry.open_items)


def obstacle_to_review(spec: ModelSpec, reviewer: Actor, *, four_eyes: bool) -> str:
    """Reason why somebody may not review a model, whatever their role; empty where they may. ``four_eyes``: by the policy
    in force."""
    validator = spec.inventory.validator if spec.inventory else ""
    if validator and not reviewer.has_name(validator):
        return f"its model file names {validator} as its validator"
    if four_eyes and reviewer.has_name(spec.owner):
        said = "and the policy says four eyes: somebody else must review it"
        return f"{reviewer.name} owns {spec.name}, {said}"
    return ""
