"""What starts trainings by itself, a row each, and what automation did of late: what, why, and what came of it."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from pilothouse.domain.dataclass_reader import format_duration
from pilothouse.domain.safe_text import safe
from pilothouse.domain.triggers import ActivityEntry, ActivityState, EventStatus, Starter
from pilothouse.presentation.cells import Cell, Tone, cell
from pilothouse.presentation.documents import Line, pairs
from pilothouse.presentation.tables.table import Row, Table, read_columns
from pilothouse.presentation.texts import ABSENT, ago_text, time_text

_STATES: Mapping[ActivityState, tuple[str, Tone]] = {
    ActivityState.DONE: ("●", "good"),
    ActivityState.GOING_ON: ("▶", "info"),
    ActivityState.WAITS: ("○", "warn"),
    ActivityState.NOTHING: ("◌", "dim"),
    ActivityState.FAILED: ("✖", "bad"),
}


def starter_table(starters: Sequence[Starter], now: datetime) -> Table:
    """A row a trigger, and one for the alerts that start retrainings of a model."""
    columns = read_columns(
        "TRIGGER ~8",
        "MODEL ~8",
        "STARTS ON ~14",
        "STATE",
        "COOL-DOWN !3",
        ">BUDGET !2",
        "FIRED !1",
        "OUTCOME ~14",
        "KEY ~8 !4",
    )
    rows = [
        Row(
            s.id,
            (
                cell(s.name, "strong"),
                cell(s.model),
                cell(s.what),
                state_cell(s),
                cell(format_duration(s.cooldown_s) + (" of data" if s.on == "alert" else "")),
                cell(f"{s.used_today} of {s.budget_today}", "warn" if s.used_today >= s.budget_today else ""),
                cell(_fired(s, now)),
                _outcome(s),
                cell(s.newest.key if s.newest else None, "dim"),
            ),
        )
        for s in starters
    ]
    return Table(
        columns,
        tuple(rows),
        "no triggers: add [[automation.trigger]], or automation.retrain_on for alerts, to a model.toml",
    )


def state_cell(starter: Starter) -> Cell:
    """``● ready``, ``◌ paused``, ``○ not now``."""
    if starter.paused:
        return Cell("◌ paused", "warn")
    return Cell("○ not now", "warn") if starter.obstacle else Cell("● ready", "good")


def _fired(starter: Starter, now: datetime) -> str:
    """Since when; an alert's by the data's clock, which is no distance from now."""
    if starter.newest is None:
        return "never"
    return time_text(starter.newest.at) if starter.on == "alert" else _ago(starter.newest.at, now)


def _ago(at: datetime, now: datetime) -> str:
    """``now`` is told to the minute, so what has just happened may lie ahead of it."""
    return "just now" if at >= now else ago_text(at, now)


def _outcome(starter: Starter) -> Cell:
    newest = starter.newest
    if newest is None:
        return Cell(ABSENT, "dim")
    if newest.job is not None:
        return Cell(f"job {newest.job}", "good")
    return Cell(
        f"{safe(newest.status)}: {safe(newest.reason)}",
        "warn" if newest.status is EventStatus.WAITING else "dim",
    )


def starter_lines(starter: Starter) -> list[Line]:
    """In full what the row has no room for."""
    newest = starter.newest
    cooldown = f"{format_duration(starter.cooldown_s)} {'of the data’s time' if starter.on == 'alert' else 'of the wall clock'}"
    last = "never" if newest is None else f"{time_text(newest.at)}  {newest.what}"
    came = (
        ABSENT
        if newest is None
        else f"job {newest.job}" + (f": {newest.reason}" if newest.reason else "")
        if newest.job is not None
        else f"{newest.status}: {newest.reason}"
    )
    return pairs(
        [
            ("now", starter.obstacle or "would start a training"),
            (
                "limits",
                f"cool-down {cooldown}; {starter.used_today} of {starter.budget_today} started in 24 hours",
            ),
            ("fired", last),
            ("outcome", came),
        ],
        {"now": "warn" if starter.obstacle else "good"},
    )


def activity_lines(entry: ActivityEntry) -> list[Line]:
    """In full what the row has no room for."""
    return pairs(
        [
            ("what", f"{entry.what} of {entry.model}, {time_text(entry.at)}"),
            ("why", entry.why or ABSENT),
            ("next", entry.next or ABSENT),
        ],
        {"next": "bad" if entry.state is ActivityState.FAILED else ""},
    )


def activity_table(entries: Sequence[ActivityEntry], now: datetime) -> Table:
    """``2h ago  flight-delay  ● train, job 12   trigger fresh: new data   version 4, request 7 waits``."""
    columns = read_columns(">LATELY", "MODEL ~8 !1", "WHAT ~12", "WHY ~16", "NEXT ~18")
    rows = []
    for i, d in enumerate(entries):
        glyph, tone = _STATES[d.state]
        rows.append(
            Row(
                f"job {d.job}" if d.job is not None else f"{i}",
                (
                    cell(_ago(d.at, now), "dim"),
                    cell(d.model),
                    Cell(f"{glyph} {safe(d.what)}", tone),
                    cell(d.why),
                    cell(d.next, "bad" if d.state is ActivityState.FAILED else ""),
                ),
            )
        )
    return Table(columns, tuple(rows), "automation has done nothing yet")
