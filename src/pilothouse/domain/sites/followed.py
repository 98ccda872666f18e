"""Followed sites: what each is by what it has published, the gravest first."""

import re
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

HASH_BYTES = 32
_DIGITS = re.compile(r"([0-9]{1,18})")


def natural(name: str) -> list[tuple[int, str]]:
    """Key by which names are sorted as people do: s2 before s10."""
    return [
        (int(part), "") if part.isascii() and part.isdigit() else (-1, part) for part in _DIGITS.split(name)
    ]


class FollowStanding(StrEnum):
    """What a followed site is at the last look."""

    CONTRADICTS = "contradicts"
    """It has signed a head that does not extend the one that it had signed before. It stays so."""
    FORGED = "not believed"
    """What lies there is not signed by the key on record, or is no state of a site."""
    REPLAYED = "replayed"
    """An older state lies there than the one that was seen."""
    UNPROVEN = "unproven"
    """Its newest head cannot be shown to extend the one before: tiles are missing or wrong."""
    COPY = "copy"
    """It has the identity of another site that is current too, and another key: a copy runs beside it, or claims to be it."""
    AWAY = "away"
    STALE = "stale"
    """Its newest state is older than it may be."""
    CURRENT = "current"
    UNKNOWN = "not looked at yet"

    @property
    def is_sound(self) -> bool:
        """Whether nothing is wrong."""
        return self in (FollowStanding.CURRENT, FollowStanding.UNKNOWN)


@dataclass(frozen=True, slots=True)
class FollowedSite:
    """A site that is followed: where its files lie, and the key of its log."""

    id: int
    name: str
    place: str
    key: str
    stale_after_s: int
    added_by: str
    recorded_at: datetime


@dataclass(frozen=True, slots=True)
class FollowedLook:
    """What it was at the last look. ``note`` is its newest believed state as it was signed; ``head_size`` and ``head_root`` the
    head that the next one must extend."""

    standing: FollowStanding
    said: str
    since: datetime
    tried_at: datetime
    note: str
    made_at: datetime | None
    heard_at: datetime | None
    head_size: int
    head_root: bytes
    witnessed_at: datetime | None
    """When its head was put into our own log last."""
    evidence: str
    """The signed note that contradicts the head; empty where none does."""


def standing_text(name: str, look: FollowedLook) -> str:
    """``site eu-1 contradicts: …``, for messages and headlines."""
    return f"site {name} {look.standing}: {look.said}" if look.said else f"site {name}: {look.standing}"
