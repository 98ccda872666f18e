"""Triggers and the recent activity of automation, as tables and in full."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from pilothouse.domain.dataclass_reader import format_duration
from pilothouse.domain.safe_text import safe
from pilothouse.domain.triggers import ActivityEntry, ActivityState, EventStatus, Starter
from pilothouse.presentation.cells import Cell, Tone, cell
from pilothouse.presentation.documents import Line, pairs
from pilothouse.presentation.tables.table import Table, table_of
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
    return table_of(
        starters,
        {
            "TRIGGER ~8": lambda s: cell(s.name, "strong"),
            "MODEL ~8": lambda s: cell(s.model),
            "STARTS ON ~14": lambda s: cell(s.what),
            "STATE": state_cell,
            "COOL-DOWN !3": lambda s: cell(
                format_duration(s.cooldown_s) + (" of data" if s.on == "alert" else "")
            ),
            ">BUDGET !2": lambda s: cell(
                f"{s.used_today} of {s.budget_today}", "warn" if s.used_today >= s.budget_today else ""
            ),
            "FIRED !1": lambda s: cell(_fired(s, now)),
            "OUTCOME ~14": _outcome,
            "KEY ~8 !4": lambda s: cell(s.newest.key if s.newest else None, "dim"),
        },
        key=lambda s: s.id,
        empty="no triggers: add [[automation.trigger]], or automation.retrain_on for alerts, to a model.toml",
    )


def state_cell(starter: Starter) -> Cell:
    """``● ready``, ``◌ paused``, ``○ not now``."""
    if starter.paused:
        return Cell("◌ paused", "warn")
    return Cell("○ not now", "warn") if starter.obstacle else Cell("● ready", "good")


def _fired(starter: Starter, now: datetime) -> str:
    """Time of the newest event; of an alert the event time, since its distance to the wall clock says nothing."""
    if starter.newest is None:
        return "never"
    return time_text(starter.newest.at) if starter.on == "alert" else _ago(starter.newest.at, now)


def _ago(at: datetime, now: datetime) -> str:
    """``now`` is cut to the minute, so the newest entry may lie ahead of it."""
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
    """A trigger in full."""
    newest = starter.newest
    cooldown = f"{format_duration(starter.cooldown_s)} {'of the data’s time' if starter.on == 'alert' else 'of the wall clock'}"
    if newest is None:
        fired, outcome = "never", ABSENT
    else:
        fired = f"{time_text(newest.at)}  {newest.what}"
        subject = newest.status if newest.job is None else f"job {newest.job}"
        outcome = f"{subject}: {newest.reason}" if newest.reason or newest.job is None else subject
    return pairs(
        [
            ("now", starter.obstacle or "would start a training"),
            (
                "limits",
                f"cool-down {cooldown}; {starter.used_today} of {starter.budget_today} started in 24 hours",
            ),
            ("fired", fired),
            ("outcome", outcome),
        ],
        {"now": "warn" if starter.obstacle else "good"},
    )


def activity_lines(entry: ActivityEntry) -> list[Line]:
    """An entry in full."""
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
    return table_of(
        entries,
        {
            ">LATELY": lambda e: cell(_ago(e.at, now), "dim"),
            "MODEL ~8 !1": lambda e: cell(e.model),
            "WHAT ~12": _activity,
            "WHY ~16": lambda e: cell(e.why),
            "NEXT ~18": lambda e: cell(e.next, "bad" if e.state is ActivityState.FAILED else ""),
        },
        key=lambda e: f"job {e.job}" if e.job is not None else entries.index(e),
        empty="automation has done nothing yet",
    )


def _activity(entry: ActivityEntry) -> Cell:
    glyph, tone = _STATES[entry.state]
    return Cell(f"{glyph} {safe(entry.what)}", tone)
