"""Triggers and the recent activity of automation, as tables and in full."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from pilothouse.domain.formats.safe_text import safe
from pilothouse.domain.jobs.triggers import ActivityEntry, ActivityState, EventStatus, Firing, Look, Starter
from pilothouse.domain.models.dataclass_reader import format_duration
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


def starter_table(starters: Sequence[Starter], now: datetime, *, exact: bool = False) -> Table:
    """A row a trigger, and one for the alerts that start retrainings of a model. ``exact``: times of the clock and not how
    long ago."""
    return table_of(
        starters,
        {
            "MODEL ~8": lambda s: cell(s.model, "strong"),
            "TRIGGER ~8": lambda s: cell(s.name, "strong"),
            "STARTS ON ~14 !2": lambda s: cell(s.what),
            "STATE": state_cell,
            "COOL-DOWN !4": lambda s: cell(
                format_duration(s.cooldown_s) + (" of data" if s.on == "alert" else "")
            ),
            ">BUDGET !3": lambda s: cell(
                f"{s.used_today} of {s.budget_today}", "warn" if s.used_today >= s.budget_today else ""
            ),
            "LOOKED ~10": lambda s: _looked(s, now, exact),
            "LAST STARTED": lambda s: _started(s, now, exact),
            "LAST REFUSED ~14": lambda s: _refused(s, now, exact),
            "KEY ~8 !5": lambda s: cell(_newest_key(s), "dim"),
        },
        key=lambda s: s.id,
        empty="no triggers: add [[automation.trigger]], or automation.retrain_on for alerts, to a model.toml",
    )


def state_cell(starter: Starter) -> Cell:
    """``● ready``, ``◌ paused``, ``○ not now``."""
    if starter.paused:
        return Cell("◌ paused", "warn")
    return Cell("○ not now", "warn") if starter.obstacle else Cell("● ready", "good")


def _when(starter: Starter, firing: Firing, now: datetime, exact: bool) -> str:
    """Time of an event; of an alert the event time, since its distance to the wall clock says nothing."""
    return time_text(firing.at) if exact or starter.on == "alert" else _ago(firing.at, now)


def _ago(at: datetime, now: datetime) -> str:
    """``now`` is cut to the minute, so the newest entry may lie ahead of it."""
    return "just now" if at >= now else ago_text(at, now)


def _looked(starter: Starter, now: datetime, exact: bool) -> Cell:
    """``2h ago``, or ``✖ 3 failed, 2h ago``; of a trigger that reads no source nothing."""
    look = starter.look
    if look is None:
        return Cell(ABSENT, "dim")
    at = time_text(look.at) if exact else _ago(look.at, now)
    return cell(f"✖ {look.failures} failed, {at}", "bad") if look.fault else cell(at)


def look_text(look: Look | None) -> str:
    """``2013-06-04 14:05: cannot be reached, 3 times since 13:05; next by 15:05``."""
    if look is None:
        return ABSENT
    said = "the source could be looked at"
    if look.fault:
        times = "once" if look.failures == 1 else f"{look.failures} times"
        said = f"{look.fault}; {times} in a row, since {time_text(look.since)}"
    return f"{time_text(look.at)}  {said}; next by {time_text(look.next_at)}"


def _started(starter: Starter, now: datetime, exact: bool) -> Cell:
    """``job 12, 2h ago``."""
    if starter.started is None:
        return Cell("never", "dim")
    return cell(f"job {starter.started.job}, {_when(starter, starter.started, now, exact)}", "good")


def _refused(starter: Starter, now: datetime, exact: bool) -> Cell:
    """``2h ago: the cool-down of 3600 s is not over``; a refusal that an event started after is dim."""
    refused = starter.refused
    if refused is None:
        return Cell(ABSENT, "dim")
    waits = refused.status is EventStatus.WAITING
    return cell(f"{_when(starter, refused, now, exact)}: {_reason(refused)}", "warn" if waits else "dim")


def _reason(firing: Firing) -> str:
    waits = firing.status is EventStatus.WAITING
    return f"{'waits, ' if waits else ''}{firing.reason or firing.status}"


def _newest_key(starter: Starter) -> str:
    firings = [firing for firing in (starter.refused, starter.started) if firing is not None]
    return max(firings, key=lambda firing: firing.at).key if firings else ""


def starter_lines(starter: Starter) -> list[Line]:
    """A trigger in full."""
    started, refused = starter.started, starter.refused
    cooldown = f"{format_duration(starter.cooldown_s)} {'of the data’s time' if starter.on == 'alert' else 'of the wall clock'}"
    return pairs(
        [
            ("now", starter.obstacle or "would start a training"),
            (
                "limits",
                f"cool-down {cooldown}; {starter.used_today} of {starter.budget_today} started in 24 hours",
            ),
            *([("last look", look_text(starter.look))] if starter.on == "data" else []),
            (
                "last started",
                f"{time_text(started.at)}  job {started.job}: {started.what}" if started else "never",
            ),
            (
                "last refused",
                f"{time_text(refused.at)}  {_reason(refused)}: {refused.what}" if refused else ABSENT,
            ),
        ],
        {
            "now": "warn" if starter.obstacle else "good",
            "last look": "bad" if starter.look and starter.look.fault else "",
        },
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
