"""Incidents: the list by what they cost, the alerts inside of one, and its story as a text to read."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from pilothouse.domain.incidents import SERVING, Incident
from pilothouse.domain.records import AlertStatus, Job, Target
from pilothouse.domain.safe_text import LINE_LIMIT, safe
from pilothouse.presentation.cells import Cell, Tone, alert_cell, cell, job_cell
from pilothouse.presentation.documents import Line, pairs, section, text_line
from pilothouse.presentation.tables.table import Row, Table, read_columns
from pilothouse.presentation.texts import time_text


def incident_table(
    incidents: Sequence[Incident], targets: Iterable[Target] = (), *, everything: bool = False
) -> Table:
    """In the order given: severity and state, what, where, what it costs. ``targets``: for filters by region.

    ``everything``: of a list of all, in which the cost is the most that each was judged to, the order is any, and one that is
    over says how severe it was (as it is filtered and sorted by).
    """
    places = {target.name: target for target in targets}
    columns = read_columns(
        ">INC",
        "SEVERITY",
        "STATE !6",
        "CAUSE ~16",
        "MODEL ~8 !3",
        "WHERE ~7",
        "COST AT MOST ~22" if everything else "COST ~22",
        "SINCE (DATA) !2",
        ">ALERTS !5",
        "ON IT !1",
    )
    columns = tuple(replace(c, ranked=True) if c.title == "COST" else c for c in columns)
    rows = [
        Row(
            str(i.id),
            (
                cell(i.id, "strong"),
                Cell(f"● {i.severity}", "dim") if everything and not i.unresolved else severity_cell(i),
                cell(i.status, "dim" if i.status is AlertStatus.RESOLVED else ""),
                cell(i.cause, "strong"),
                cell(i.model),
                cell(where_text(i)),
                cell(i.cost.words),
                cell(time_text(i.since)),
                cell(alerts_text(i)),
                cell(i.assignee),
            ),
            _place_fields(i, places),
        )
        for i in incidents
    ]
    return Table(
        columns, tuple(rows), "no incidents: nothing has left its reference; o shows those that are over"
    )


def _place_fields(incident: Incident, places: Mapping[str, Target]) -> tuple[tuple[str, str], ...]:
    """Region, product and business unit of its targets, as a filter asks for them."""
    found = [places[name] for name in incident.targets if name in places]
    return (
        ("region", " ".join(dict.fromkeys(t.region for t in found))),
        ("product", " ".join(dict.fromkeys(t.product for t in found))),
        ("unit", " ".join(dict.fromkeys(t.business_unit for t in found))),
    )


def severity_cell(incident: Incident) -> Cell:
    """``✖ critical``, ``▲ warning``, ``◐ warning`` (somebody is on it), ``● over``."""
    if incident.status is AlertStatus.RESOLVED:
        return Cell("● over", "dim")
    glyph, tone = alert_cell(incident.status, incident.severity).text.split(" ")[0], _tone(incident)
    return Cell(f"{glyph} {incident.severity}", tone)


def _tone(incident: Incident) -> Tone:
    if incident.status is AlertStatus.ACKNOWLEDGED:
        return "info"
    return "bad" if incident.severity == "critical" else "warn"


def where_text(incident: Incident) -> str:
    """``jfk, ewr``: the targets, the worst first."""
    return ", ".join(incident.targets)


def alerts_text(incident: Incident) -> str:
    """``2 of 3``: those that are not over of all inside."""
    going_on, inside = len(incident.unresolved), len(incident.alerts)
    return str(inside) if going_on == inside else f"{going_on} of {inside}"


def member_table(incident: Incident) -> Table:
    """The alerts of an incident, those that go on first, the worst first."""
    columns = read_columns(">ALERT", "STATUS", "KIND", "TARGET ~6", "SUMMARY ~24", "SINCE (DATA) !1")
    order = list(AlertStatus)
    ordered = sorted(incident.alerts, key=lambda a: (order.index(a.status), a.severity != "critical", a.id))
    rows = [
        Row(
            str(a.id),
            (
                cell(a.id, "strong"),
                alert_cell(a.status, a.severity),
                cell(a.kind.replace("_", " ")),
                cell(f"{a.target} v{a.version}"),
                cell(a.summary),
                cell(time_text(a.effective_at)),
            ),
        )
        for a in ordered
    ]
    return Table(columns, tuple(rows))


def incident_head(incident: Incident) -> list[Line]:
    """What it is and what it costs: the first thing to read."""
    by = f", {incident.assignee} is on it" if incident.assignee else ""
    over = f", over {time_text(incident.resolved_at)}" if incident.resolved_at else ""
    return [
        Line((severity_cell(incident), Cell("  "), Cell(safe(incident.cause, LINE_LIMIT), "strong")), 2),
        *pairs(
            [
                (
                    "cost at most" if incident.status is AlertStatus.RESOLVED else "cost",
                    incident.cost.words or "not known",
                ),
                ("where", f"{incident.model} {_versions(incident)} on {where_text(incident)}"),
                ("since", f"{time_text(incident.since)} in the data; {incident.status}{by}{over}"),
            ]
        ),
    ]


def incident_story(incident: Incident, jobs: Sequence[Job], *, keys: bool = True) -> list[Line]:
    """What to do next (with ``keys`` also which ones do it in the console), and what happened so far."""
    return [
        *section(
            "What to do next",
            (text_line(f"· {words}", hang=2) for words in next_steps(incident, jobs, keys=keys)),
        ),
        *section("What happened", _timeline(incident)),
        *section("Retraining", (_job_line(job) for job in jobs)),
    ]


def next_steps(incident: Incident, jobs: Sequence[Job], *, keys: bool = True) -> Iterator[str]:
    """What an operator does about it, the most useful first; with ``keys`` also which ones do it in the console."""
    if incident.status is AlertStatus.RESOLVED:
        yield "Nothing: it is over. It opens anew if its monitors find something significant again."
        return
    kinds = {alert.kind for alert in incident.telling}
    ended = [job for job in jobs if job.status.ended]
    made = [job for job in ended if job.version is not None]
    running = [job for job in jobs if not job.status.ended]
    if running:
        yield f"Wait for the retraining, job {running[0].id}: {running[0].status}, {running[0].progress:.0%} done."
    elif made:
        yield f"Look at version {made[-1].version} that job {made[-1].id} trained for this: compare it, ask for its promotion."
    elif ended:
        yield f"The retraining failed: job {ended[-1].id} {ended[-1].status}; read its log."
    if kinds & SERVING:
        yield f"Look at the serving process of {where_text(incident)}: state/serving/TARGET/serving.log, and pilothouse doctor."
    if "data_quality" in kinds:
        yield "Ask whoever feeds these columns: a fault upstream is mended there, not by a training."
    if "performance" in kinds and not jobs:
        yield "Train on the newest data, or go back to the version before where this one is new" + (
            " (6; 7, then ^l)." if keys else " (pilothouse train, pilothouse rollback)."
        )
    if kinds <= {"data_drift", "score_drift"}:
        yield f"See whether the metric falls too{' (m: the monitor)' if keys else ''}; drift alone need not cost anything."
    if incident.status is AlertStatus.OPEN and keys:
        yield "a says that you are on it, r closes it with a reason, n names who looks after it."


def _timeline(incident: Incident) -> list[Line]:
    """Openings with why they joined, handling, endings: by the wall clock."""
    told: list[tuple[datetime, int, str, Tone]] = []
    for a in incident.alerts:
        why = f": {a.joined_because}" if a.joined_because else ""
        verb = "joined" if a.joined_because else "opened it"
        told.append((a.recorded_at, a.id, f"alert {a.id} {verb}{why}", "warn"))
        note = f": {a.note}" if a.note else ""
        if a.resolved_at is not None:
            told.append((a.resolved_at, a.id, f"alert {a.id} resolved by {a.handled_by}{note}", "good"))
        elif a.handled_at is not None:
            told.append((a.handled_at, a.id, f"{a.handled_by} looks after alert {a.id}{note}", "info"))
    return [
        Line((Cell(f"{time_text(at)}  ", "dim"), Cell(safe(words, LINE_LIMIT), tone)), 18)
        for at, _, words, tone in sorted(told, key=lambda item: item[:2])
    ]


def _job_line(job: Job) -> Line:
    made = f", made version {job.version}" if job.version is not None else ""
    words = safe(f"  job {job.id}{made} {job.error}".rstrip(), LINE_LIMIT)
    return Line((job_cell(job.status), Cell(words)), 2)


def _versions(incident: Incident) -> str:
    return f"version{'s' if len(incident.versions) > 1 else ''} {', '.join(map(str, incident.versions))}"
