"""Incidents: the list by cost, the alerts of one, and its story as a text to read."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from pilothouse.domain.formats.safe_text import LINE_LIMIT, safe
from pilothouse.domain.models.version_stage import Standing
from pilothouse.domain.monitoring.incidents import ROLLOUT, SERVING, Incident
from pilothouse.domain.monitoring.monitoring import Health
from pilothouse.domain.records import AlertStatus, Job, Target
from pilothouse.presentation.cells import Cell, Tone, alert_cell, cell, job_cell
from pilothouse.presentation.documents import Line, pairs, section, text_line
from pilothouse.presentation.tables.table import Table, table_of
from pilothouse.presentation.texts import counted, time_text
from pilothouse.presentation.version_texts import advice


def incident_table(
    incidents: Sequence[Incident], targets: Iterable[Target] = (), *, everything: bool = False
) -> Table:
    """Incidents in the order given: severity and state, cause, targets, cost. ``targets``: for filters by region.

    ``everything``: the list holds resolved incidents too. Then the cost is the highest estimate of each, the order is any, and
    a resolved incident shows its severity (as it is filtered and sorted by).
    """
    target_of = {target.name: target for target in targets}
    table = table_of(
        incidents,
        {
            "MODEL ~8-20": lambda i: cell(i.model, "strong"),
            ">INC": lambda i: cell(i.id),
            "SEVERITY": lambda i: (
                Cell(f"● {i.severity}", "dim") if everything and not i.unresolved else severity_cell(i)
            ),
            "STATE !6": lambda i: cell(i.status, "dim" if i.status is AlertStatus.RESOLVED else ""),
            "CAUSE ~12": lambda i: cell(i.cause, "strong"),
            "WHERE ~7": lambda i: cell(where_text(i)),
            "COST AT MOST ~12" if everything else "COST ~12": lambda i: cell(i.cost.words),
            "SINCE (DATA) !2": lambda i: cell(time_text(i.since)),
            ">ALERTS !5": lambda i: cell(alerts_text(i)),
            "ON IT !1": lambda i: cell(i.assignee),
        },
        key=lambda i: i.id,
        empty="no incidents",
        fields=lambda i: _target_fields([target_of[name] for name in i.targets if name in target_of]),
    )
    return replace(table, columns=tuple(replace(c, ranked=c.title == "COST") for c in table.columns))


def no_incidents_text(
    over: int, way: str, counts: Mapping[Health, int], *, model: str = "", unwatched: str = ""
) -> str:
    """Text in place of the open incidents where there are none. ``over``: number of those that there were, which ``way`` lists;
    ``counts``: the deployments by health, since nothing is known of one that is not judged; ``unwatched``: since when nobody
    watches, so that nobody knows of one."""
    of = f" of {model}" if model else ""
    if over:
        return f"no incidents{of} are open: {over:,} {'is' if over == 1 else 'are'} over; {way} lists them"
    deployed = {health: n for health, n in counts.items() if n and health is not Health.NOT_DEPLOYED}
    if not unwatched and deployed.keys() - {Health.HEALTHY}:
        known = ", ".join(f"{n:,} {health}" for health, n in deployed.items())
        return f"no incidents{of}: {counted(sum(deployed.values()), 'deployment')}, {known}"
    return f"no incidents{of}: {unwatched or ('nothing has left its reference' if deployed else 'nothing is deployed')}"


def _target_fields(targets: Sequence[Target]) -> tuple[tuple[str, str], ...]:
    """Region, product and business unit of an incident's targets, for filters."""
    return (
        ("region", " ".join(dict.fromkeys(t.region for t in targets))),
        ("product", " ".join(dict.fromkeys(t.product for t in targets))),
        ("unit", " ".join(dict.fromkeys(t.business_unit for t in targets))),
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
    """``2 of 3``: the unresolved alerts of all."""
    unresolved, total = len(incident.unresolved), len(incident.alerts)
    return str(total) if unresolved == total else f"{unresolved} of {total}"


def member_table(incident: Incident) -> Table:
    """The alerts of an incident: unresolved ones first, then by severity."""
    order = list(AlertStatus)
    return table_of(
        sorted(incident.alerts, key=lambda a: (order.index(a.status), a.severity != "critical", a.id)),
        {
            ">ALERT": lambda a: cell(a.id, "strong"),
            "STATUS": lambda a: alert_cell(a.status, a.severity),
            "KIND": lambda a: cell(a.kind.replace("_", " ")),
            "TARGET ~6": lambda a: cell(f"{a.target} v{a.version}"),
            "SUMMARY ~24": lambda a: cell(a.summary),
            "SINCE (DATA) !1": lambda a: cell(time_text(a.effective_at)),
        },
        key=lambda a: a.id,
        empty="nothing here yet",
    )


def incident_head(incident: Incident) -> list[Line]:
    """Severity, cause, cost, targets and times."""
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


def incident_story(
    incident: Incident, jobs: Sequence[Job], standings: Mapping[int, Standing], *, keys: bool = True
) -> list[Line]:
    """Next steps (with ``keys`` also the keys of the console for them), and what happened so far.

    ``standings`` are those of the versions that the jobs made, by number."""
    return [
        *section(
            "What to do next",
            (text_line(f"· {step}", hang=2) for step in next_steps(incident, jobs, standings, keys=keys)),
        ),
        *section("What happened", _timeline(incident)),
        *section("Retraining", (_job_line(job) for job in jobs)),
    ]


def next_steps(
    incident: Incident, jobs: Sequence[Job], standings: Mapping[int, Standing], *, keys: bool = True
) -> Iterator[str]:
    """The next steps of an operator, the most useful first; with ``keys`` also the keys of the console for them."""
    if incident.status is AlertStatus.RESOLVED:
        yield "Nothing: it is over. A new one opens if its monitors find something significant again."
        return
    kinds = {alert.kind for alert in incident.telling}
    ended = [job for job in jobs if job.status.ended]
    trained = [job for job in ended if job.version is not None]
    running = [job for job in jobs if not job.status.ended]
    if running:
        yield f"Wait for the retraining, job {running[0].id}: {running[0].status}, {running[0].progress:.0%} done."
    elif trained:
        version = trained[-1].version or 0
        yield advice(
            version, standings.get(version, Standing()), f"that job {trained[-1].id} trained for this"
        )
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
    if ROLLOUT in kinds:
        yield "Read what the roll-out found and mend that: the version goes out again by a new request alone."
        way = "7, then u" if keys else f"pilothouse lift-hold {incident.model}"
        yield f"Lift the hold then ({way}): until it is, no version of the model goes live without hands."
    if incident.status is AlertStatus.OPEN:
        yield (
            "a says that you are on it, r closes it with a reason, n names who looks after it."
            if keys
            else f"pilothouse incident {incident.id} --ack says that you are on it, --resolve REASON closes it."
        )


def _timeline(incident: Incident) -> list[Line]:
    """When alerts opened and why they joined, who handled them, when they were resolved: by the wall clock."""
    events: list[tuple[datetime, int, str, Tone]] = []
    for a in incident.alerts:
        why = f": {a.joined_because}" if a.joined_because else ""
        verb = "joined" if a.joined_because else "opened it"
        events.append((a.recorded_at, a.id, f"alert {a.id} {verb}{why}", "warn"))
        note = f": {a.note}" if a.note else ""
        if a.resolved_at is not None:
            events.append((a.resolved_at, a.id, f"alert {a.id} resolved by {a.handled_by}{note}", "good"))
        elif a.handled_at is not None:
            events.append((a.handled_at, a.id, f"{a.handled_by} looks after alert {a.id}{note}", "info"))
    return [
        Line((Cell(f"{time_text(at)}  ", "dim"), Cell(safe(text, LINE_LIMIT), tone)), 18)
        for at, _, text, tone in sorted(events, key=lambda item: item[:2])
    ]


def _job_line(job: Job) -> Line:
    made = f", made version {job.version}" if job.version is not None else ""
    text = safe(f"  job {job.id}{made} {job.error}".rstrip(), LINE_LIMIT)
    return Line((job_cell(job), Cell(text)), 2)


def _versions(incident: Incident) -> str:
    return f"version{'s' if len(incident.versions) > 1 else ''} {', '.join(map(str, incident.versions))}"
