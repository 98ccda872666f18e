"""Tiles of sites: three lines each, as wide as lets all of them be seen. Values in, cells out."""

from collections.abc import Sequence
from datetime import datetime

from pilothouse.domain.formats.safe_text import safe
from pilothouse.domain.sites.answers import SiteItem
from pilothouse.domain.sites.readings import Reading, Standing
from pilothouse.presentation.cell import Cell, Tone
from pilothouse.presentation.tables.site_rows import heard_text, state_cell
from pilothouse.presentation.texts import counted, span_text, time_text
from pilothouse.presentation.width import clip, display_width

HEIGHT = 3
"""Lines of a tile."""
LEAST, MOST = 15, 39
"""Columns that a tile takes at least, its gap included, and the most that it is given."""
_WORDS = 34
"""Columns from which on figures are words."""

Line = tuple[Cell, ...]


def columns_for(count: int, width: int, height: int) -> int:
    """How many tiles stand beside each other: as few as let all of them be seen, else as many as fit."""
    most = max(1, width // LEAST)
    for columns in range(max(1, min(most, width // MOST)), most):
        if -(-count // columns) * HEIGHT <= height:
            return columns
    return most


def tile(reading: Reading, width: int, now: datetime) -> tuple[Line, Line, Line]:
    """Lines of a tile, each exactly ``width`` columns: name, state, figures with when they were heard."""
    state = state_cell(reading)
    is_wide = width >= _WORDS
    if is_wide and (more := _was(reading)):
        state = Cell(f"{state.text}{more}", state.tone)
    tone: Tone = "dim" if reading.is_stale else ""
    return (
        _filled([Cell(_name(safe(reading.site), width), "dim" if reading.is_stale else "strong")], width),
        _filled([state], width),
        _filled(_figures(reading, now, tone, is_wide=is_wide), width),
    )


def _name(name: str, width: int) -> str:
    return clip(name, min(width, display_width(name)))


def _was(reading: Reading) -> str:
    """What a site was when it was heard last, where its state does not say it."""
    if reading.figures is None:
        return ""
    if reading.standing is Standing.AWAY and reading.since is not None:
        return f" since {reading.since:%H:%M}, was {reading.figures.health}"
    if reading.standing in (Standing.ANSWERS, Standing.PARTIAL):
        return ""
    return f", {'was ' if reading.is_stale else ''}{reading.figures.health}"


def _figures(reading: Reading, now: datetime, tone: Tone, *, is_wide: bool) -> list[Cell]:
    figures, heard = reading.figures, heard_text(reading, now)
    if figures is None:
        return [Cell("no state known", "dim")]
    if is_wide:
        text = ", ".join(
            (
                counted(figures.alerts, "alert"),
                counted(figures.requests, "request"),
                counted(figures.jobs, "job"),
                heard,
            )
        )
        return [Cell(text, tone)]
    alerts: Tone = tone or ("warn" if figures.alerts else "")
    return [
        Cell(f"▲{figures.alerts}", alerts),
        Cell(f" ◆{figures.requests} ▶{figures.jobs} {heard.removesuffix(' ago')}", tone),
    ]


def _filled(cells: Sequence[Cell], width: int) -> Line:
    """Cells cut or filled to a width."""
    shown: list[Cell] = []
    room = width
    for cell in cells:
        own = min(display_width(cell.text), room)
        shown.append(Cell(clip(cell.text, own), cell.tone))
        room -= own
    return (*shown, Cell(" " * room))


def summary(readings: Sequence[Reading], *, short: bool = False) -> str:
    """``30 sites, 2 away, 1 read-only · 41 alerts, 5 requests, 3 jobs``: standings that are not ``answers`` are counted. Where
    it is ``short``, figures are as on tiles: ``▲41 ◆5 ▶3``."""
    standings = [
        f"{number} {standing}"
        for standing in Standing
        if standing is not Standing.ANSWERS and (number := sum(one.standing is standing for one in readings))
    ]
    if wrong := sum(bool(one.skew_s) for one in readings):
        standings.append(f"{wrong} with a wrong clock")
    known = [one.figures for one in readings if one.figures is not None and one.standing is not Standing.COPY]
    alerts, requests, jobs = (
        sum(getattr(one, name) for one in known) for name in ("alerts", "requests", "jobs")
    )
    figures = f"{counted(alerts, 'alert')}, {counted(requests, 'request')}, {counted(jobs, 'job')}"
    if short:
        figures = f"▲{alerts:,} ◆{requests:,} ▶{jobs:,}"
    return f"{', '.join([counted(len(readings), 'site'), *standings])} · {figures}"


def filter_cells(reading: Reading) -> dict[str, str]:
    """Texts of a site by the names that a filter of the tiles may ask for."""
    figures = reading.figures
    return {
        "site": reading.site,
        "state": state_cell(reading).text,
        "standing": str(reading.standing),
        "health": str(figures.health) if figures is not None else "",
        "why": reading.said,
        "release": figures.release if figures is not None else "",
    }


def detail(
    reading: Reading, place: str, now: datetime, item: SiteItem | None = None
) -> tuple[tuple[Cell, Cell], Line]:
    """Two lines about one site: where it is and as whom it knows us; then why it is what it is, and an item of it whole."""
    answer, figures = reading.answer, reading.figures
    facts = []  # a place may be long, and what comes last is cut
    if figures is not None:
        facts.append(f"{figures.unhealthy} of {counted(figures.deployments, 'deployment')} unhealthy")
    if answer is not None and answer.actor:
        facts.append(f"as {answer.actor}")
    facts.append(place)
    if answer is not None and answer.schema:
        facts.append(f"schema {answer.schema}")
    why = _why(reading, now)
    tone: Tone = "warn" if reading.said or reading.is_stale or reading.skew_s else ""
    lines: Line = (Cell(why, tone),)
    if item is not None and item.text:
        lines = (*lines, Cell(f"{'. ' if why else ''}{item.subject}: {item.text}"))
    return (
        (Cell(f"{safe(reading.site)}: ", "strong"), Cell(safe(" · ".join(facts), 1_000))),
        lines,
    )


def _why(reading: Reading, now: datetime) -> str:
    figures = reading.figures
    parts = []
    if reading.is_stale and reading.since is not None and figures is not None:
        for_long = span_text((now - reading.since).total_seconds())
        parts.append(
            f"{reading.standing} since {time_text(reading.since)} ({for_long}); the state shown is of then"
        )
    elif figures is None and reading.since is not None:
        parts.append(f"{reading.standing}; no state of it is known")
    parts += [*reading.ways, reading.said] if reading.said else reading.ways
    if reading.skew_s:
        ahead = "ahead" if reading.skew_s > 0 else "behind"
        parts.append(f"its clock is {span_text(abs(reading.skew_s))} {ahead}: ages here are by ours")
    if figures is not None:
        parts += [figures.frozen] if figures.frozen else []
        parts += [figures.unwatched] if figures.unwatched and not figures.frozen else []
        parts += [f"automation is paused {figures.paused}"] if figures.paused else []
    return "; ".join(parts)
