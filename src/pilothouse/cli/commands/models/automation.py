"""Commands about automation: schedules, triggers, pause, resume."""

import click

from pilothouse.cli.groups import group
from pilothouse.cli.output import (
    json_option,
    limit_option,
    optional_reason_option,
    printed_as_json,
    reason_option,
    say,
    say_rest,
    show_pairs,
    show_rows,
    show_table,
)
from pilothouse.cli.session import Session
from pilothouse.domain.models.dataclass_reader import format_duration
from pilothouse.operations import automation_switch
from pilothouse.operations.automation import automation_activity
from pilothouse.operations.automation import schedules as schedule_operations
from pilothouse.operations.automation import triggers as trigger_operations
from pilothouse.presentation import texts
from pilothouse.presentation.tables.trigger_rows import starter_table
from pilothouse.presentation.tables.work_rows import schedule_table


@click.command()
@json_option
@click.pass_obj
def schedules(session: Session) -> None:
    """List schedules with their next times."""
    records = schedule_operations.list_schedules(session.services, session.actor)
    if printed_as_json(session, records):
        return
    show_rows(
        schedule_table(records),
        key="NUMBER",
        empty="no schedules: add [[automation.schedule]] to a model.toml",
    )


@group()
def schedule() -> None:
    """Show, pause or resume one schedule."""


@schedule.command("show")
@click.argument("number", type=int)
@limit_option
@json_option
@click.pass_obj
def schedule_show(session: Session, number: int, limit: int) -> None:
    """Show schedule NUMBER. Its next five times, and what became of the last ones."""
    history = schedule_operations.history(session.services, session.actor, number, limit=limit)
    say_rest(len(history.fires), history.total)
    if printed_as_json(session, history):
        return
    s = history.schedule
    show_pairs(
        [
            ("schedule", f"{s.id} {s.model} {s.name}"),
            ("does", s.action),
            ("when", f"{s.expression} ({s.timezone})"),
            ("put off by up to", format_duration(s.jitter_s) if s.jitter_s else "nothing"),
            ("missed times", {"all": "each is run", "once": "the newest is run for all", "skip": "are left out"}[s.catch_up]),
            ("state", "paused" if s.paused else "on"),
            ("next", ", ".join(texts.time_text(time) for time in s.next_times) or "never"),
        ]
    )  # fmt: skip
    show_table(
        ("nominal time", "decided", "why", "what came of it"),
        ((texts.time_text(f.nominal), f.decision, f.reason, f.outcome if f.decision == "run" else "") for f in history.fires),
        empty="no time has come yet",
    )  # fmt: skip


@schedule.command("pause")
@click.argument("number", type=int)
@reason_option
@click.pass_obj
def schedule_pause(session: Session, number: int, reason: str) -> None:
    """Pause schedule NUMBER."""
    schedule_operations.pause_schedule(session.services, session.actor, number, reason=reason)
    say(f"schedule {number} is paused")


@schedule.command("resume")
@click.argument("number", type=int)
@click.pass_obj
def schedule_resume(session: Session, number: int) -> None:
    """Resume schedule NUMBER."""
    schedule_operations.resume_schedule(session.services, session.actor, number)
    say(f"schedule {number} is on")


@click.command()
@click.option("--model", help="Only this model's.")
@click.option("--events", is_flag=True, help="What set them off, newest first, and what came of it.")
@limit_option
@json_option
@click.pass_obj
def triggers(session: Session, model: str | None, events: bool, limit: int) -> None:
    """List triggers: what each started last, and what it refused last and why."""
    if events:
        fired, total = trigger_operations.list_events(
            session.services, session.actor, model=model, limit=limit
        )
        say_rest(len(fired), total)
        if printed_as_json(session, fired):
            return
        show_table(
            ("seen", "model", "trigger", "what", "state", "job", "why"),
            (
                (texts.time_text(e.seen_at), e.model, e.trigger, e.what, e.status, e.job or "–", e.reason or "–")
                for e in fired
            ),
            empty="nothing has set a trigger off yet",
        )  # fmt: skip
        return
    starters = automation_activity.list_starters(session.services, session.actor, model=model)
    if printed_as_json(session, starters):
        return
    show_rows(
        starter_table(starters, session.services.now(), exact=True),
        empty="no triggers: add [[automation.trigger]] to a model.toml",
    )


@click.command()
@click.option("--reason", required=True, help="Why; every screen shows it.")
@click.pass_obj
def pause(session: Session, reason: str) -> None:
    """Pause all automation: schedules, retraining, automatic deployment, steps of roll-outs."""
    automation_switch.pause(session.services, session.actor, reason=reason)
    say("automation is paused; resume it with pilothouse resume")


@click.command()
@optional_reason_option
@click.pass_obj
def resume(session: Session, reason: str) -> None:
    """Resume automation."""
    automation_switch.resume(session.services, session.actor, reason=reason)
    say("automation is on")
