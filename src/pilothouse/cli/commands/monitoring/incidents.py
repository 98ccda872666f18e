"""Commands about incidents: list them by cost, show one, handle all alerts of one."""

import dataclasses
from collections.abc import Mapping, Sequence

import click

from pilothouse.cli.output import (
    json_option,
    limit_option,
    printed_as_json,
    say,
    say_rest,
    show_lines,
    show_rows,
    show_table,
)
from pilothouse.cli.session import Session
from pilothouse.domain.models.version_stage import Standing
from pilothouse.domain.monitoring.incidents import Incident
from pilothouse.domain.records import Job
from pilothouse.operations import catalogue
from pilothouse.operations.alerts import incidents as operations
from pilothouse.operations.fleet import health
from pilothouse.presentation.tables.incidents import (
    incident_head,
    incident_story,
    incident_table,
    no_incidents_text,
)


@click.command()
@click.option("--model", help="Only this model's.")
@click.option("--all", "everything", is_flag=True, help="Those that are over too.")
@limit_option
@json_option
@click.pass_obj
def incidents(session: Session, model: str | None, everything: bool, limit: int) -> None:
    """List incidents: alerts with one cause are one row, the dearest first."""
    services, actor, unresolved = session.services, session.actor, not everything
    records = operations.list_incidents(services, actor, unresolved=unresolved, model=model, limit=limit)
    say_rest(len(records), operations.count_incidents(services, actor, unresolved=unresolved, model=model))
    if printed_as_json(session, [_plain(incident) for incident in records]):
        return
    table = incident_table(records, everything=everything)
    if not records and unresolved:
        over = operations.count_incidents(services, actor, model=model)
        way = f"pilothouse incidents --all{f' --model {model}' if model else ''}"
        watch = health.watch(services, actor, model)
        text = no_incidents_text(over, way, watch.counts, model=model or "", unwatched=watch.unwatched)
        table = dataclasses.replace(table, empty=text)
    show_rows(table, empty=table.empty)


@click.command()
@click.argument("number", type=int)
@click.option("--ack", is_flag=True, help="Acknowledge every open alert of it.")
@click.option("--note", default="", help="Remark for the record, with --ack or --assign.")
@click.option(
    "--resolve", "reason", metavar="REASON", help="Resolve every alert of it, with what was found or done."
)
@click.option("--assign", "person", metavar="NAME", help='Say that NAME looks after it ("" for nobody).')
@json_option
@click.pass_obj
def incident(
    session: Session, number: int, ack: bool, note: str, reason: str | None, person: str | None
) -> None:
    """Show incident NUMBER: cause, cost, alerts, what to do next; or handle all of its alerts at once."""
    if ack + (reason is not None) + (person is not None) > 1:
        raise click.UsageError("one of --ack, --resolve and --assign at a time")
    services, actor = session.services, session.actor
    if ack:
        record = operations.acknowledge(services, actor, number, note)
        say(f"incident {number} is acknowledged")
    elif reason is not None:
        record = operations.resolve(services, actor, number, reason)
        say(f"incident {number} is resolved")
    elif person is not None:
        record = operations.assign(services, actor, number, person, note)
        say(f"{person or 'nobody'} looks after incident {number}")
    else:
        record = operations.get_incident(services, actor, number)
    if printed_as_json(session, _plain(record)):
        return
    if not (ack or reason is not None or person is not None):
        jobs = operations.retrainings(services, actor, record)
        numbers = [job.version for job in jobs if job.version is not None]
        _show(record, jobs, catalogue.standings(services, actor, record.model, numbers))


def _show(incident: Incident, jobs: Sequence[Job], standings: Mapping[int, Standing]) -> None:
    click.echo(f"incident {incident.id}")
    show_lines(incident_head(incident))
    click.echo()
    show_table(
        ("alert", "status", "severity", "target", "kind", "summary", "in it because"),
        (
            (a.id, a.status, a.severity, f"{a.target} v{a.version}", a.kind, a.summary, a.joined_because or "it opened it")
            for a in incident.alerts
        ),
        empty="no alerts",
    )  # fmt: skip
    click.echo()
    show_lines(incident_story(incident, jobs, standings, keys=False))


def _plain(incident: Incident) -> dict[str, object]:
    """The fields of the incident, and the figures derived from its alerts."""
    fields = {field.name: getattr(incident, field.name) for field in dataclasses.fields(incident)}
    derived = ("status", "severity", "cause", "since", "targets", "versions", "retrainings", "resolved_at")
    return {**fields, **{name: getattr(incident, name) for name in derived}}
