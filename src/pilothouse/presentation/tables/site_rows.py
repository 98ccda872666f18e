"""Tables of several sites: the sites themselves, and their items in one list, the site named first."""

from collections.abc import Callable, Sequence
from datetime import datetime

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
    Standing.AWAY: ("✖", "bad"),
    Standing.STALE: ("◌", "warn"),
    Standing.DOUBTED: ("✖", "bad"),
    Standing.CONTRADICTS: ("✖", "bad"),
}
"""Glyph and tone of what a site is; its name stands beside the glyph."""
_EMPTY = {
    "alert": "no open alert on any site that answers",
    "request": "no open request on any site that answers",
    "job": "no job runs on any site that answers",
    "deployment": "nothing is deployed on any site that answers",
}
_STATE = {"deployment": "HEALTH", "request": "STATE", "job": "STATE", "alert": "SEVERITY"}


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


def items_table(kind: str, readings: Sequence[Reading], now: datetime) -> Table:
    """All items of a kind, of every site: requests that wait for the reader, critical alerts and the worst deployments first,
    then the newest.

    The key of a row is the site, a line end, and the item's key.
    """
    found = [(one, item) for one in readings if one.answer for item in one.answer.items if item.kind == kind]
    found.sort(key=lambda pair: _order(kind, pair[1]))
    columns = read_columns("SITE ~8", f"{_STATE[kind]} ~8", "SUBJECT ~12-24", "SINCE", "WHAT ~10")
    rows = (
        Row(
            f"{one.site}\n{item.key}",
            (
                cell(one.site, "dim" if one.is_stale else ""),
                _item_cell(one, item),
                cell(item.subject),
                cell(ago_text(item.at, now) if item.at else None),
                cell(item.text),
            ),
        )
        for one, item in found
    )
    return Table(columns, tuple(rows), _EMPTY[kind])


def _order(kind: str, item: SiteItem) -> tuple[float, ...]:
    newest = -item.at.timestamp() if item.at else 0.0
    if kind == "deployment":
        return (float(_health(item).rank), newest)
    if kind == "alert":
        return (0.0 if item.state.startswith("critical") else 1.0, newest)
    return (0.0 if item.mine else 1.0, newest)


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
    if item.kind == "job":
        return cell(f"▶ {item.state}", "info")
    return cell(f"{'▶' if item.mine else '◆'} {item.state}", "strong" if item.mine else "info")


_FOLLOWED: dict[FollowStanding, tuple[str, Tone]] = {
    FollowStanding.CONTRADICTS: ("✖", "bad"),
    FollowStanding.FORGED: ("✖", "bad"),
    FollowStanding.REPLAYED: ("▲", "bad"),
    FollowStanding.UNPROVEN: ("▲", "warn"),
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
