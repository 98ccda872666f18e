"""Conditions of approvals: what somebody has to confirm by a day, after the deployment. Pure.

A condition does not hold a deployment up: who wants something before approves when it is there.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from pilothouse.domain.errors import InvalidInputError
from pilothouse.domain.identity.roles import Actor, Permission, Role
from pilothouse.domain.models.dataclass_reader import parse_duration

IN_EFFECT = ("approved", "deployed")
"""Statuses of a request whose version goes out, or went out: from then on its conditions count."""
SOON = timedelta(days=7)
"""Time before its day from which a condition waits for whoever confirms it."""
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_FURTHEST = timedelta(days=1_100)
_ROLES = frozenset(str(role) for role in Role if role is not Role.DAEMON)


@dataclass(frozen=True, slots=True)
class NewCondition:
    """Condition on which somebody approves. ``by``: the name of a person, or a role; ``due``: by when it is confirmed."""

    text: str
    by: str
    due: datetime

    @property
    def plain(self) -> dict[str, str]:
        """As a statement says it."""
        return {"text": self.text, "by": self.by, "due": f"{self.due.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """Condition of an approval on record."""

    id: int
    request_id: int
    model: str
    version: int
    approver: str
    text: str
    by: str
    due: datetime
    recorded_at: datetime
    status: str
    """Status of its request: it is an item once that was deployed, or goes out by a plan."""
    confirmed_by: str | None = None
    confirmed_at: datetime | None = None
    remark: str | None = None

    @property
    def is_open(self) -> bool:
        """True where it has to be confirmed: its request was deployed, or goes out by a plan, and nobody has."""
        return self.confirmed_at is None and self.status in IN_EFFECT

    def is_late(self, now: datetime) -> bool:
        return self.is_open and self.due <= now

    def waits(self, now: datetime) -> bool:
        """True once it is late, or soon will be."""
        return self.is_open and self.due <= now + SOON

    def standing(self, now: datetime) -> str:
        """``open``, ``late``, ``confirmed``; ``not deployed`` where it comes to nothing, or to nothing yet."""
        if self.confirmed_at is not None:
            return "confirmed"
        return ("late" if self.is_late(now) else "open") if self.is_open else "not deployed"

    @property
    def plain(self) -> dict[str, str]:
        return NewCondition(self.text, self.by, self.due).plain


def may_confirm(by: str, actor: Actor, model: str) -> bool:
    """True where the person is the one who is named, or holds the role that is named."""
    if by in _ROLES:
        held = [grant for grant in actor.grants if grant.role == by and grant.model in ("", model)]
        return any(not grant.deny for grant in held) and actor.might(Permission.CONFIRM, model)
    return actor.has_name(by)


def obstacle_to_confirm(condition: Condition, actor: Actor) -> str:
    """Reason why this person may not confirm it now; empty where they may."""
    if condition.confirmed_at is not None:
        return f"condition {condition.id} was confirmed by {condition.confirmed_by} on {condition.confirmed_at:%Y-%m-%d}"
    if not condition.is_open:
        return (
            f"request {condition.request_id} is {condition.status}: its conditions count once it is deployed"
        )
    if not may_confirm(condition.by, actor, condition.model):
        who = f"whoever holds the role {condition.by}" if condition.by in _ROLES else condition.by
        return f"{actor.name} may not confirm condition {condition.id}: {who} does"
    return ""


def check_condition(condition: NewCondition, people: Sequence[Actor], model: str, now: datetime) -> None:
    """Raise InvalidInputError where nobody could confirm it, or its day is none to come."""
    if not condition.text:
        raise InvalidInputError("the condition says nothing: say what has to be confirmed")
    if not now < condition.due <= now + _FURTHEST:
        raise InvalidInputError(
            f"the condition is due on {condition.due:%Y-%m-%d}: expected a day to come, within three years"
        )
    if not any(may_confirm(condition.by, actor, model) for actor in people):
        known = (
            "a role that nobody holds" if condition.by in _ROLES else "nobody who may confirm conditions here"
        )
        raise InvalidInputError(
            f"the condition is to be confirmed by {condition.by!r}, {known}: expected a name from pilothouse roles, or one of "
            f"the roles {', '.join(sorted(_ROLES))}"
        )


def due_on(when: str, now: datetime) -> datetime:
    """End of a day, or a time from now on. Raises InvalidInputError."""
    try:
        if _DAY.fullmatch(when):
            return datetime.strptime(when, "%Y-%m-%d").replace(hour=23, minute=59, tzinfo=UTC)
        return now.replace(microsecond=0) + timedelta(seconds=parse_duration(when))
    except (ValueError, InvalidInputError):
        raise InvalidInputError(f"{when!r} is no time: expected 30d, or a day such as 2027-03-31") from None


def wording(condition: Condition | NewCondition) -> str:
    """``review after 30 days, confirmed by rui by 2026-12-29``."""
    return f"{condition.text}, confirmed by {condition.by} by {condition.due:%Y-%m-%d}"


def condition_from_plain(plain: Any) -> NewCondition:
    """Condition of a statement. Raises KeyError, TypeError or ValueError where it is none."""
    texts = (plain["text"], plain["by"])
    if not all(isinstance(text, str) for text in texts):
        raise TypeError("a text is none")
    due = datetime.strptime(plain["due"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    return NewCondition(*texts, due)
