"""Commands about alerts and the messages that go out about them: list, test, outbox, silences."""

import time
from datetime import timedelta

import click

from pilothouse.cli.groups import group
from pilothouse.cli.output import (
    json_option,
    limit_option,
    plain,
    printed_as_json,
    reason_option,
    say,
    say_rest,
    show_pairs,
    show_rows,
    show_table,
)
from pilothouse.cli.session import Session
from pilothouse.domain.models.dataclass_reader import parse_duration
from pilothouse.domain.outbox.deliveries import DeliveryState, Outgoing
from pilothouse.domain.outbox.routing import parse_matchers
from pilothouse.domain.records import AlertStatus
from pilothouse.operations.alerts import alerts as alert_operations
from pilothouse.presentation import texts

_PATIENCE_S = 60.0
_NOBODY_RUNS_S = 2.0
"""Seconds that a test waits where no daemon runs that would send it."""
EXIT_NOT_TAKEN = 22
"""Exit code of a test that a receiver did not take, and of an outbox with a dead channel."""


@group(invoke_without_command=True)
@click.option("--status", type=click.Choice([str(status) for status in AlertStatus]), help="Only these.")
@click.option("--model", help="Only this model's.")
@limit_option
@json_option
@click.pass_context
def alerts(ctx: click.Context, status: str | None, model: str | None, limit: int) -> None:
    """List alerts, newest first; with a command: the messages about them, and silences."""
    if ctx.invoked_subcommand is not None:
        return
    session: Session = ctx.obj
    services, actor, only = session.services, session.actor, AlertStatus(status) if status else None
    records = alert_operations.list_alerts(services, actor, status=only, model=model, limit=limit)
    say_rest(len(records), alert_operations.count_alerts(services, actor, status=only, model=model))
    if printed_as_json(session, records):
        return
    show_table(
        ("alert", "status", "severity", "model", "version", "target", "kind", "subject", "since (data)", "summary"),
        (
            (a.id, a.status, a.severity, a.model, a.version, a.target, a.kind, a.subject,
             texts.time_text(a.effective_at), a.summary)
            for a in records
        ),
        empty="no alerts",
    )  # fmt: skip


@alerts.command("test")
@click.argument("receiver", required=False)
@json_option
@click.pass_obj
def alerts_test(session: Session, receiver: str | None) -> int:
    """Send a test to RECEIVER, or to each one, and wait for what it says. Exit code 22 where one does not take it."""
    from pilothouse.operations.outbox import views
    from pilothouse.system.leader import leader

    services, actor = session.services, session.actor
    sent = views.add_test(services, actor, receiver)
    runs = leader(services.paths.daemon_lock) is not None
    deadline = time.monotonic() + (_PATIENCE_S if runs else _NOBODY_RUNS_S)
    while time.monotonic() < deadline:
        sent = [views.get_message(services, actor, one.id) for one in sent]
        if all(one.tries and (one.ended_at or one.error) for one in sent):
            break
        time.sleep(0.1)
    if not printed_as_json(session, sent):
        for one in sent:
            say(f"{one.receiver}: {_came(one)}")
    return 0 if all(one.state is DeliveryState.SENT for one in sent) else EXIT_NOT_TAKEN


def _came(one: Outgoing) -> str:
    if one.state is DeliveryState.SENT:
        return "has taken the test"
    if one.error:
        return f"has not taken the test: {one.error}"
    return "nobody has sent the test yet; the daemon sends it when it runs (pilothouse daemon start)"


@alerts.command("outbox")
@click.argument("number", type=int, required=False)
@click.option("--state", type=click.Choice([str(state) for state in DeliveryState]), help="Only these.")
@click.option("--again", is_flag=True, help="Try message NUMBER again, which was given up.")
@limit_option
@json_option
@click.pass_obj
def alerts_outbox(session: Session, number: int | None, state: str | None, again: bool, limit: int) -> int:
    """Messages to receivers, or one of them whole; what waits to be told, and how receivers take it. Exit code 22 where a
    receiver takes nothing for long."""
    from pilothouse.operations.outbox import views
    from pilothouse.presentation.tables.outbox_rows import health_text, outbox_table

    services, actor = session.services, session.actor
    if again and number is None:
        raise click.UsageError("--again needs the number of a message")
    if number is not None:
        one = (
            views.send_again(services, actor, number) if again else views.get_message(services, actor, number)
        )
        if not printed_as_json(session, one):
            _show_message(one)
        return 0
    box = views.outbox(services, actor, state=DeliveryState(state) if state else None, limit=limit)
    exit_code = EXIT_NOT_TAKEN if views.dead_channels(services, actor).failing else 0
    plain = {
        "receivers": [
            {
                "name": one.name,
                "kind": one.kind,
                "health": box.health.get(one.name),
                "unsent": box.unsent.get(one.name, ""),
            }
            for one in box.receivers
        ],
        "counts": {str(one): number for one, number in box.counts.items()},
        "waiting": box.lines,
        "messages": box.messages,
    }
    if printed_as_json(session, plain):
        return exit_code
    show_rows(
        outbox_table(box.messages, box.now), empty="no messages" if box.described else views.NO_RECEIVERS
    )
    for line in box.lines:
        until = f"{line.due_at:%Y-%m-%d %H:%M} UTC"
        say(
            f"waits for {line.held_by or 'its group'} until {until}, to {line.receiver}: {line.line['title']}"
        )
    for receiver in box.receivers:
        unsent = box.unsent.get(receiver.name, "")
        say(health_text(receiver.name, box.health.get(receiver.name), box.now, unsent).text)
    return exit_code


def _show_message(one: Outgoing) -> None:
    show_pairs(
        [
            ("message", one.id),
            ("delivery", one.delivery),
            ("receiver", one.receiver),
            ("route", one.route or "–"),
            ("purpose", one.purpose),
            ("state", one.state),
            ("tries", one.tries),
            ("error", one.error or "–"),
            ("title", one.message["title"]),
        ]
    )
    for line in one.message["lines"]:
        click.echo()
        show_pairs([(name, line[name]) for name in ("what", "severity", "title", "at")])


@alerts.command("silence")
@click.argument("labels", nargs=-1, required=True, metavar="LABEL=TEXT…")
@click.option("--for", "lasts", required=True, metavar="TIME", help="How long, e.g. 2h, 3d; 30d at most.")
@click.option("--anyway", is_flag=True, help="Also where a text fits nothing that is there yet.")
@reason_option
@json_option
@click.pass_obj
def alerts_silence(session: Session, labels: tuple[str, ...], lasts: str, reason: str, anyway: bool) -> None:
    """Let messages whose labels fit wait, e.g. model=flight-delay 'target=us-*'; a label named twice fits either text.

    It says how many open alerts fit. A text that fits no model, target or label there is refused.
    """
    from pilothouse.operations.outbox import silences

    matchers = parse_matchers(labels)
    made = silences.add_silence(
        session.services,
        session.actor,
        matchers,
        timedelta(seconds=parse_duration(lasts)),
        reason,
        anyway=anyway,
    )
    reach = silences.reach_of(session.services, session.actor, made)
    if not printed_as_json(session, {**plain(made), "fits": reach}):
        say(f"silence {made.id} holds {made.text} back until {made.ends_at:%Y-%m-%d %H:%M} UTC; {reach.text}")


@alerts.command("unsilence")
@click.argument("number", type=int)
@click.option("--reason", default="", help="Why, for the record.")
@json_option
@click.pass_obj
def alerts_unsilence(session: Session, number: int, reason: str) -> None:
    """End silence NUMBER now; what it holds is told."""
    from pilothouse.operations.outbox import silences

    ended = silences.end_silence(session.services, session.actor, number, reason)
    if not printed_as_json(session, ended):
        say(f"silence {number} is ended")


@alerts.command("silences")
@click.option("--all", "over", is_flag=True, help="Those that are over too.")
@json_option
@click.pass_obj
def alerts_silences(session: Session, over: bool) -> None:
    """List silences: what each holds back, until when, who made it and why."""
    from pilothouse.operations.outbox import silences
    from pilothouse.presentation.tables.outbox_rows import silence_table

    found = silences.list_silences(session.services, session.actor, over=over)
    if not printed_as_json(session, found):
        table = silence_table(found, session.services.now())
        show_rows(table, empty=table.empty)
