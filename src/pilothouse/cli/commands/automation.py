"""Commands about what runs by itself: schedules, pause, resume."""

import click

from pilothouse.cli.output import json_option, say, show_json, show_table
from pilothouse.cli.session import Session
from pilothouse.presentation import texts


@click.command()
@json_option
@click.pass_obj
def schedules(session: Session) -> None:
    """List schedules with their next times."""
    from pilothouse.operations import schedules as operation

    found = operation.list_schedules(session.services, session.actor)
    if session.as_json:
        show_json(found)
        return
    show_table(
        ("schedule", "model", "name", "does", "when", "zone", "state", "last", "next"),
        (
            (s.id, s.model, s.name, s.action, s.expression, s.timezone, "paused" if s.paused else "on",
             f"{texts.time_text(s.last_nominal)} {s.last_outcome}" if s.last_nominal else "–",
             texts.time_text(s.next_times[0]) if s.next_times else "–")
            for s in found
        ),
        empty="no schedules: add [[automation.schedule]] to a model.toml",
    )  # fmt: skip


@click.group()
def schedule() -> None:
    """Pause or resume one schedule."""


@schedule.command("pause")
@click.argument("number", type=int)
@click.option("--reason", required=True, help="Why, for the record.")
@click.pass_obj
def schedule_pause(session: Session, number: int, reason: str) -> None:
    """Pause schedule NUMBER."""
    from pilothouse.operations import schedules as operation

    operation.pause_schedule(session.services, session.actor, number, reason=reason)
    say(f"schedule {number} is paused")


@schedule.command("resume")
@click.argument("number", type=int)
@click.pass_obj
def schedule_resume(session: Session, number: int) -> None:
    """Resume schedule NUMBER."""
    from pilothouse.operations import schedules as operation

    operation.resume_schedule(session.services, session.actor, number)
    say(f"schedule {number} is on")


@click.command()
@click.option("--reason", required=True, help="Why; every screen shows it.")
@click.pass_obj
def pause(session: Session, reason: str) -> None:
    """Pause all automation: schedules, retraining, automatic deployment."""
    from pilothouse.operations import automation

    automation.pause(session.services, session.actor, reason=reason)
    say("automation is paused; resume it with pilothouse resume")


@click.command()
@click.option("--reason", default="", help="Why, for the record.")
@click.pass_obj
def resume(session: Session, reason: str) -> None:
    """Resume automation."""
    from pilothouse.operations import automation

    automation.resume(session.services, session.actor, reason=reason)
    say("automation is on")
