"""What is known of a site after each time it was asked: what it is now, its last state, and since when."""

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from pilothouse.domain.sites.answers import SiteAnswer, SiteFigures


class Standing(StrEnum):
    """What a site is, as far as it is known."""

    UNKNOWN = "not asked yet"
    ANSWERS = "answers"
    READ_ONLY = "read-only"
    PARTIAL = "older release"
    """A release before sites answers there: figures, no lists."""
    OLDER = "older schema"
    """Its registry is of an older release than the program that would open it: nothing is opened, it would be upgraded."""
    NEWER = "newer schema"
    REFUSED = "refused"
    """It answers, and does not let us read."""
    AWAY = "away"

    @property
    def opens(self) -> bool:
        """Whether its console can be opened."""
        return self in (Standing.UNKNOWN, Standing.ANSWERS, Standing.READ_ONLY, Standing.PARTIAL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """A site after it was asked. ``answer`` is the newest with figures, however old; times are by our own clock."""

    site: str
    standing: Standing = Standing.UNKNOWN
    answer: SiteAnswer | None = None
    heard_at: datetime | None = None
    """When ``answer`` came."""
    since: datetime | None = None
    """Since when it has the standing that it has."""
    said: str = ""
    """Why it has no newer state; empty where it has."""
    tried_at: datetime | None = None

    @property
    def figures(self) -> SiteFigures | None:
        """Figures of the newest answer."""
        return self.answer.figures if self.answer else None

    @property
    def is_stale(self) -> bool:
        """Whether its figures are of before: nothing newer was heard."""
        return self.figures is not None and self.standing in (
            Standing.AWAY,
            Standing.REFUSED,
            Standing.OLDER,
            Standing.NEWER,
            Standing.UNKNOWN,
        )


def answered(before: Reading, answer: SiteAnswer, now: datetime) -> Reading:
    """The reading after an answer."""
    standing = standing_of(answer)
    known = replace(before, tried_at=now, standing=standing, since=_since(before, standing, now))
    if answer.figures is None:
        return replace(known, said=schema_text(answer))
    return replace(known, answer=answer, heard_at=now, said=answer.partial)


def failed(before: Reading, standing: Standing, said: str, now: datetime) -> Reading:
    """The reading after no answer. A site that is away is so since it was heard last."""
    since = _since(before, standing, before.heard_at or now if standing is Standing.AWAY else now)
    return replace(before, standing=standing, said=said, tried_at=now, since=since)


def standing_of(answer: SiteAnswer) -> Standing:
    """What a site is that has answered."""
    if answer.figures is None:
        return Standing.OLDER if answer.schema < answer.knows else Standing.NEWER
    if answer.partial:
        return Standing.PARTIAL
    return Standing.READ_ONLY if answer.figures.frozen else Standing.ANSWERS


def schema_text(answer: SiteAnswer) -> str:
    """What is said of a site whose schema its program does not know."""
    facts = f"its registry has schema {answer.schema}, Pilothouse there knows {answer.knows}"
    if answer.schema < answer.knows:
        return f"{facts}; not opened, since that would upgrade it (pilothouse -w does)"
    return f"{facts}: install the newer release there"


def _since(before: Reading, standing: Standing, now: datetime) -> datetime:
    return before.since if before.standing is standing and before.since is not None else now
