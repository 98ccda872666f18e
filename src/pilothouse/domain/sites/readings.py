"""What is known of a site after each time it was asked: what it is now, its last state, and since when."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from pilothouse.domain.monitoring.monitoring import Health
from pilothouse.domain.sites.answers import FollowedState, SiteAnswer, SiteFigures
from pilothouse.domain.sites.followed import natural


class Standing(StrEnum):
    """What a site is, as far as it is known."""

    UNKNOWN = "not heard"
    ANSWERS = "answers"
    READ_ONLY = "read-only"
    PARTIAL = "older release"
    """A release before sites answers there: figures, no lists."""
    OLDER = "older schema"
    """Its registry is of an older release than the program that would open it: nothing is opened, it would be upgraded."""
    NEWER = "newer schema"
    REFUSED = "refused"
    """It answers, and does not let us read."""
    UNWRITABLE = "read-only files"
    """It is there, and the account that would open it may not write its files, without which nothing is opened."""
    AWAY = "away"
    STALE = "stale"
    """Known by what it publishes, which has grown old, or cannot be read; or asked itself, and silent for too long."""
    DOUBTED = "not believed"
    """Known by what it publishes, which is not what it signed, or an old copy."""
    COPY = "copy"
    """Another workspace of the same identity is the one that runs; this one was copied from it, or claims to be it."""
    CONTRADICTS = "contradicts"
    """It has signed two logs of which neither extends the other, or two workspaces run under one identity."""

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
    skew_s: float = 0.0
    """Seconds by which its clock is ahead of ours (below 0: behind); 0 where that is less than its answers' own delay."""
    via: str = ""
    """The site that follows it, by whose word alone it is known here; empty for one that is asked itself."""
    ways: tuple[str, ...] = ()
    """Other ways by which the same site is known, in words."""

    @property
    def figures(self) -> SiteFigures | None:
        """Figures of the newest answer."""
        return self.answer.figures if self.answer else None

    @property
    def is_current(self) -> bool:
        """Whether its newest answer is what it is now."""
        return self.standing in (Standing.ANSWERS, Standing.READ_ONLY, Standing.PARTIAL)

    @property
    def is_stale(self) -> bool:
        """Whether its figures are of before: nothing newer was heard."""
        return self.figures is not None and not self.is_current and not self.is_doubled

    @property
    def is_doubled(self) -> bool:
        """Whether it is there, and another of the same identity too."""
        return self.standing is Standing.COPY or (self.standing is Standing.CONTRADICTS and not self.via)


_SKEW = timedelta(minutes=1)
"""Skew of a clock from which it is said, and times of the site are put right."""
_SILENT = timedelta(seconds=90)
"""Age of an answer from which a site that is asked all the time is no current one."""


def answered(
    before: Reading, answer: SiteAnswer, now: datetime, *, asked_at: datetime | None = None
) -> Reading:
    """The reading after an answer, which was made between ``asked_at`` and ``now``."""
    standing = standing_of(answer)
    known = replace(before, tried_at=now, standing=standing, since=_since(before, standing, now))
    if answer.figures is None:
        return replace(known, said=schema_text(answer))
    skew_s = _skew_s(answer.figures.made_at, asked_at or now, now)
    return replace(known, answer=answer, heard_at=now, said=answer.partial, skew_s=skew_s)


def _skew_s(made_at: datetime, first: datetime, last: datetime) -> float:
    if first - _SKEW <= made_at <= last + _SKEW:
        return 0.0
    return (made_at - last).total_seconds() if made_at > last else (made_at - first).total_seconds()


def aged(reading: Reading, now: datetime) -> Reading:
    """The reading as it is now: one whose newest answer is too old is stale, whatever it said then."""
    if not reading.is_current or reading.via or reading.heard_at is None or now - reading.heard_at < _SILENT:
        return reading
    said = "it is asked, and has not answered since"
    return replace(reading, standing=Standing.STALE, since=reading.heard_at, said=said)


def why_no_act(reading: Reading) -> str:
    """Why nothing can be done in a site now; empty where it takes acts, by the rights that somebody has there."""
    if reading.via:
        return f"{reading.site} is known by what {reading.via} read of it: open it by its own place, with -w"
    if reading.standing is Standing.READ_ONLY and reading.figures is not None:
        return f"{reading.site} is read-only: {reading.figures.frozen}"
    if reading.standing is not Standing.ANSWERS:
        return f"{reading.site} is {reading.standing}: {reading.said or 'it did not answer yet'}"
    return ""


_WORST = (
    Standing.CONTRADICTS,
    Standing.DOUBTED,
    Health.DOWN,
    Health.CRITICAL,
    Standing.AWAY,
    Standing.STALE,
    Standing.REFUSED,
    Standing.UNWRITABLE,
    Health.DEGRADED,
    Health.NO_TRAFFIC,
    Standing.COPY,
    Standing.NEWER,
    Standing.OLDER,
    Standing.UNKNOWN,
    Health.NOT_JUDGED,
    Health.NO_DATA,
    Health.SUSPECTED,
    Health.HEALTHY,
    Health.NOT_DEPLOYED,
)
"""What needs somebody first: what is wrong now before what cannot be seen, and that before what is well."""


def badness(reading: Reading) -> tuple[int, int]:
    """Order of sites, the worst first: by what each is, then the one with more alerts."""
    figures = reading.figures
    what: Standing | Health = reading.standing
    if reading.is_current:
        what = figures.health if figures is not None else Standing.UNKNOWN
        if figures is not None and figures.unwatched:  # nobody keeps its health true
            what = min(what, Health.NOT_JUDGED, key=_WORST.index)
    return (_WORST.index(what), -figures.alerts if figures is not None else 0)


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


_OF_FOLLOWED = {
    "current": Standing.ANSWERS,
    "contradicts": Standing.CONTRADICTS,
    "not believed": Standing.DOUBTED,
    "replayed": Standing.DOUBTED,
    "copy": Standing.COPY,
    "not looked at yet": Standing.UNKNOWN,
}
"""What a followed site is, by the word of who follows it; every other word is stale."""


def with_followed(readings: Sequence[Reading]) -> list[Reading]:
    """Readings, and behind each those of the sites that it follows. One that is stale makes theirs stale too."""
    names = {one.site for one in readings}
    found: list[Reading] = []
    for reading in readings:
        found.append(reading)
        followed = reading.answer.followed if reading.answer else ()
        for state in sorted(followed, key=lambda one: natural(one.name)):
            name = state.name if state.name not in names else f"{reading.site}/{state.name}"
            names.add(name)
            found.append(_followed(reading, state, name))
    return found


def _followed(by: Reading, state: FollowedState, name: str) -> Reading:
    standing = _OF_FOLLOWED.get(state.standing, Standing.STALE)
    said = state.said
    if by.is_stale and standing is Standing.ANSWERS:
        standing, said = Standing.STALE, f"{by.site} follows it, and is {by.standing}"
    elif standing is Standing.ANSWERS and state.figures is not None and state.figures.frozen:
        standing = Standing.READ_ONLY
    answer = None
    if state.figures is not None:
        figures = state.figures
        answer = SiteAnswer(
            schema=figures.schema, knows=figures.schema, release=figures.release, figures=figures
        )
    return Reading(
        site=name,
        standing=standing,
        answer=answer,
        heard_at=state.heard_at,
        since=state.heard_at,
        said=said,
        via=by.site,
    )
