"""Commands about deployments: roll-back, history, targets, tokens."""

from collections.abc import Sequence

import click

from pilothouse.cli.output import (
    json_option,
    parse_time,
    printed_as_json,
    say,
    show_rows,
    show_table,
)
from pilothouse.cli.session import Session
from pilothouse.domain.records import Deployment, RollBackStep
from pilothouse.operations.fleet import targets as target_operations
from pilothouse.operations.promotion import deployments as deployment_operations
from pilothouse.presentation.tables.registry_rows import deployment_history_table, serving_text


@click.command()
@click.argument("model")
@click.option(
    "--target", "targets", multiple=True, help="Only there (again for more); all of the model's otherwise."
)
@click.option("--reason", default="", help="Why, for the record; needed, except for a plan.")
@click.option("--plan", is_flag=True, help="Only show what would be done.")
@json_option
@click.pass_obj
def rollback(session: Session, model: str, targets: tuple[str, ...], reason: str, plan: bool) -> None:
    """Go back to the version before; holds automatic deployment off until lift-hold."""
    if plan:
        steps = deployment_operations.roll_back_plan(session.services, session.actor, model, targets or None)
        if not printed_as_json(session, steps):
            rows = ((s.target, s.now, s.now_record, s.then, s.then_record) for s in steps)
            show_table(("target", "now", "it is", "then", "it was"), rows, empty="")
            _warn(steps)
        return
    going_back_to = (
        deployment_operations.roll_back_plan(session.services, session.actor, model, targets or None)
        if reason.strip()
        else []
    )
    deployments_made = deployment_operations.roll_back(
        session.services, session.actor, model, targets=targets or None, reason=reason
    )
    if printed_as_json(session, deployments_made):
        return
    for deployment in deployments_made:
        say(f"{deployment.target}: {model} is back at version {deployment.version}")
    _warn(going_back_to)
    say(f"automatic deployment of {model} is held; lift it with pilothouse lift-hold {model} --reason …")


@click.command("lift-hold")
@click.argument("model")
@click.option("--reason", required=True, help="Why, for the record.")
@click.pass_obj
def lift_hold(session: Session, model: str, reason: str) -> None:
    """Let automatic deployment of MODEL run again."""
    deployment_operations.lift_hold(session.services, session.actor, model, reason=reason)
    say(f"automatic deployment of {model} is no longer held")


@click.command()
@click.option("--model", help="Only this model's.")
@click.option("--live/--all", default=True, help="Only what is live now (the default), or the history too.")
@json_option
@click.pass_obj
def deployments(session: Session, model: str | None, live: bool) -> None:
    """What runs where, since when and why."""
    records = deployment_operations.list_deployments(
        session.services, session.actor, model=model, live_only=live
    )
    _show(session, records, "nothing is deployed: request and approve a promotion first")


@click.command()
@click.option(
    "--at", "time", required=True, metavar="TIME", help='e.g. "2013-05-03 14:05"; UTC unless it names a zone.'
)
@click.option(
    "--clock",
    type=click.Choice(["event", "recorded"]),
    default="event",
    show_default=True,
    help="event: the time in the targets' data; recorded: the wall clock.",
)
@json_option
@click.pass_obj
def deployed(session: Session, time: str, clock: str) -> None:
    """What was live where at TIME."""
    records = deployment_operations.deployed_at(
        session.services, session.actor, parse_time(time), clock=clock
    )
    _show(session, records, f"nothing was live at {time}")


@click.command()
@json_option
@click.pass_obj
def targets(session: Session) -> None:
    """Each model on each target: what should answer, what does, and how it is."""
    from pilothouse.operations.fleet import health

    states = health.target_states(session.services, session.actor)
    if printed_as_json(session, states):
        return
    show_table(
        ("target", "region", "product", "unit", "model", "version", "serving", "health", "why"),
        (
            (s.target, s.region, s.product, s.business_unit, s.model,
             s.deployment.version if s.deployment else "–", serving_text(s), s.health, s.why)
            for s in states
        ),
        empty="no targets: name them in models/NAME/model.toml under [[targets]]",
    )  # fmt: skip


@click.command()
@click.argument("target")
@click.pass_obj
def token(session: Session, target: str) -> None:
    """Issue a new token for TARGET and print it once; the one before stops working.

    A serving process of this workspace takes the new one up by itself.
    """
    from pilothouse.system.files import write_atomically

    issued = target_operations.issue_token(session.services, session.actor, target)
    folder = session.services.paths.serving_folder(target)
    if folder.is_dir():
        write_atomically(folder / "token", issued.encode())
    click.echo(issued)


def _warn(steps: Sequence[RollBackStep]) -> None:
    for step in steps:
        if step.then_was_bad:
            say(
                f"warning: {step.target}: version {step.then} was {step.then_record} when it was last live there"
            )


def _show(session: Session, deployments: tuple[Deployment, ...] | list[Deployment], empty: str) -> None:
    if printed_as_json(session, deployments):
        return
    show_rows(deployment_history_table(deployments), empty=empty)
