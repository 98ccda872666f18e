"""Tables of several sites: the sites themselves, and their items in one list, the site named first."""

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from pilothouse.domain.monitoring.monitoring import Health
from pilothouse.domain.sites.answers import SiteItem
from pilothouse.domain.sites.followed import FollowedLook, FollowedSite, FollowStanding
from pilothouse.domain.sites.readings import Reading, Standing
from pilothouse.presentation.cell import Cell, Tone, cell
from pilothouse.presentation.cells import HEALTH
from pilothouse.presentation.tables.table import Row, Table, read_columns, table_of
from pilothouse.presentation.texts import ago_text

_STANDINGS: dict[Standing, tuple[str, Tone]] = {
    Standing.UNKNOWN: ("…", "dim"),
    Standing.ANSWERS: ("●", "good"),
    Standing.READ_ONLY: ("■", "warn"),
    Standing.PARTIAL: ("◐", "info"),
    Standing.OLDER: ("▽", "warn"),
    Standing.NEWER: ("△", "warn"),
    Standing.REFUSED: ("⊘", "bad"),
    Standing.UNWRITABLE: ("■", "warn"),
    Standing.AWAY: ("✖", "bad"),
    Standing.STALE: ("◌", "warn"),
    Standing.DOUBTED: ("✖", "bad"),
    Standing.COPY: ("▲", "warn"),
    Standing.CONTRADICTS: ("✖", "bad"),
}
"""Glyph and tone of what a site is; its name stands beside the glyph."""
_EMPTY = {
    "alert": "no open alert on any site that answers",
    "request": "no open request on any site that answers",
    "job": "no job runs on any site that answers",
    "deployment": "nothing is deployed on any site that answers",
    "rollout": "no roll-out is on its way on any site that answers",
}
_MOST_NAMES = 60
"""Names of labels that a filter may ask for; a site may say whatever it likes."""


def state_cell(reading: Reading) -> Cell:
    """What a site is: its health where it answers, else why there is none: ``▲ degraded``, ``✖ away``."""
    figures = reading.figures
    if reading.standing in (Standing.ANSWERS, Standing.PARTIAL) and figures is not None:
        if figures.unwatched and figures.health not in _KNOWN_WORSE:
            return Cell("? no daemon", "warn")
        glyph, tone = HEALTH[figures.health]
        return Cell(f"{glyph} {figures.health}", tone)
    glyph, tone = _STANDINGS[reading.standing]
    return Cell(f"{glyph} {reading.standing}", tone)


_KNOWN_WORSE = (Health.DOWN, Health.CRITICAL, Health.DEGRADED, Health.NO_TRAFFIC)


def heard_text(reading: Reading, now: datetime) -> str:
    """When its figures are of, by our clock: ``3s ago``, ``never``."""
    return ago_text(reading.heard_at, now) if reading.heard_at is not None else "never"


def sites_table(readings: Sequence[Reading], now: datetime) -> Table:
    """A row for each site."""

    def number(name: str) -> Callable[[Reading], Cell]:
        return lambda one: cell(
            getattr(one.figures, name) if one.figures else None, "dim" if one.is_stale else ""
        )

    return table_of(
        readings,
        {
            "SITE ~8": lambda one: cell(one.site),
            "STATE ~8": state_cell,
            ">ALERTS": number("alerts"),
            ">REQUESTS": number("requests"),
            ">JOBS": number("jobs"),
            "HEARD": lambda one: cell(heard_text(one, now), "warn" if one.is_stale else ""),
            "WHY ~10 !1": lambda one: cell(one.said),
        },
        key=lambda one: one.site,
        empty="no sites",
    )


def item_key(reading: Reading, item: SiteItem) -> str:
    """Key of an item's row: the site, the kind and the item's own key, a line each."""
    return f"{reading.site}\n{item.kind}\n{item.key}"


def items_table(kinds: Sequence[str], readings: Sequence[Reading], now: datetime) -> Table:
    """All items of these kinds, of every site: requests that wait for the reader, critical alerts and the worst deployments
    first, those that are stale behind their like, then the newest.

    Ages are by our own clock, also where the site's is wrong. A filter may ask for the labels of what an item is about too.
    """
    found = [(one, item) for one in readings if one.answer for item in one.answer.items if item.kind in kinds]
    found.sort(key=lambda pair: _order(*pair))
    several = len(kinds) > 1
    specs = ("SITE ~8-12", *(("KIND",) if several else ()), "STATE ~8", "SUBJECT ~12-24", "SINCE", "WHAT ~10")
    often = Counter(name for _, item in found for name, _ in item.labels)
    names = [name for name, _ in often.most_common(_MOST_NAMES)]
    rows = (
        Row(
            item_key(one, item),
            (
                cell(one.site, "dim" if one.is_stale else ""),
                *((cell(item.kind, "dim"),) if several else ()),
                _item_cell(one, item),
                cell(item.subject),
                cell(ago_text(item.at - timedelta(seconds=one.skew_s), now) if item.at else None),
                cell(item.text),
            ),
            _fields(item, names),
        )
        for one, item in found
    )
    empty = _EMPTY[kinds[0]] if not several else "no item on any site that answers"
    return Table(read_columns(*specs), tuple(rows), empty)


def _fields(item: SiteItem, names: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """Every row has the same names: what a name means must not depend on the first row."""
    own = dict(item.labels)
    every = " ".join(f"{name}={value}" for name, value in item.labels)
    return (*((name, own.get(name, "")) for name in names), ("label", every))


def _order(reading: Reading, item: SiteItem) -> tuple[float, ...]:
    newest = reading.skew_s - item.at.timestamp() if item.at else 0.0
    return (_urgency(item), float(reading.is_stale), newest)


def _urgency(item: SiteItem) -> float:
    """0 is the most urgent, over every kind."""
    if item.kind == "deployment":
        return float(_health(item).rank)
    if item.kind == "alert":
        return (
            float(Health.CRITICAL.rank if item.state.startswith("critical") else Health.DEGRADED.rank) + 0.5
        )
    if item.kind == "rollout":
        return float(Health.DEGRADED.rank if item.state == "paused" else Health.SUSPECTED.rank) + 0.6
    if item.kind == "request":
        return float(Health.DEGRADED.rank if item.mine else Health.NO_DATA.rank) + 0.7
    return float(Health.SUSPECTED.rank) + 0.8


def _health(item: SiteItem) -> Health:
    try:
        return Health(item.state)
    except ValueError:  # a word of a newer release
        return Health.NOT_JUDGED


def _item_cell(reading: Reading, item: SiteItem) -> Cell:
    if reading.is_stale:
        return cell(f"◌ {item.state} (stale)", "dim")
    if item.kind == "deployment":
        glyph, tone = HEALTH[_health(item)]
        return cell(f"{glyph} {item.state}", tone)
    if item.kind == "alert":
        is_bad = item.state.startswith("critical")
        return cell(f"{'✖' if is_bad else '▲'} {item.state}", "bad" if is_bad else "warn")
    if item.kind == "rollout" and item.state == "paused":
        return cell(f"▲ {item.state}", "warn")
    if item.kind in ("job", "rollout"):
        return cell(f"{'▶' if item.kind == 'job' else '◐'} {item.state}", "info")
    return cell(f"{'▶' if item.mine else '◆'} {item.state}", "strong" if item.mine else "info")


_FOLLOWED: dict[FollowStanding, tuple[str, Tone]] = {
    FollowStanding.CONTRADICTS: ("✖", "bad"),
    FollowStanding.FORGED: ("✖", "bad"),
    FollowStanding.REPLAYED: ("▲", "bad"),
    FollowStanding.UNPROVEN: ("▲", "warn"),
    FollowStanding.COPY: ("▲", "bad"),
    FollowStanding.AWAY: ("✖", "warn"),
    FollowStanding.STALE: ("◌", "warn"),
    FollowStanding.CURRENT: ("●", "good"),
    FollowStanding.UNKNOWN: ("…", "dim"),
}


def followed_table(found: Sequence[tuple[FollowedSite, FollowedLook | None]], now: datetime) -> Table:
    """Followed sites with what each was at the last look."""

    def standing(pair: tuple[FollowedSite, FollowedLook | None]) -> Cell:
        known = pair[1].standing if pair[1] else FollowStanding.UNKNOWN
        glyph, tone = _FOLLOWED[known]
        return Cell(f"{glyph} {known}", tone)

    return table_of(
        found,
        {
            "SITE ~8": lambda pair: cell(pair[0].name),
            "STATE": standing,
            "SINCE": lambda pair: cell(ago_text(pair[1].since, now) if pair[1] else None),
            "STATE OF": lambda pair: cell(
                ago_text(pair[1].made_at, now) if pair[1] and pair[1].made_at else None
            ),
            ">ROWS": lambda pair: cell(f"{pair[1].head_size:,}" if pair[1] else None),
            "PLACE ~10": lambda pair: cell(pair[0].place),
            "WHY ~10 !1": lambda pair: cell(pair[1].said if pair[1] else ""),
        },
        key=lambda pair: pair[0].name,
        empty="no site is followed",
    )
