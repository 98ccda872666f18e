"""Commands about deployments: roll-back, history, targets, tokens."""

from collections.abc import Sequence

import click

from pilothouse.cli.output import (
    json_option,
    limit_option,
    parse_time,
    plain,
    printed_as_json,
    read_pages,
    reason_option,
    say,
    say_rest,
    say_unwatched,
    show_rows,
    show_table,
    targets_option,
    with_unwatched,
)
from pilothouse.cli.session import Session
from pilothouse.domain.errors import ConflictError
from pilothouse.domain.listing import Query
from pilothouse.domain.records import Deployment, RollBackStep
from pilothouse.operations import listings
from pilothouse.operations.fleet import targets as target_operations
from pilothouse.operations.promotion import deployments as deployment_operations
from pilothouse.operations.rollouts import selected_roll_back
from pilothouse.presentation import texts
from pilothouse.presentation.tables.registry_rows import deployment_history_table

_PATIENCE_S = 30.0


@click.command()
@click.argument("model", required=False)
@targets_option("Only there (again for more); all of the model's otherwise.")
@click.option(
    "--where",
    metavar="CONDITIONS",
    help='On every target that fits, of MODEL or of all models: "region = eu, unit != retail, labels.tier = gold|silver".',
)
@click.option(
    "--from",
    "only_from",
    type=click.IntRange(1),
    metavar="VERSION",
    help="Only where VERSION is live: refused where somebody has changed that meanwhile.",
)
@click.option("--reason", default="", help="Why, for the record; needed, except for a plan.")
@click.option("--plan", is_flag=True, help="Only show what would be done.")
@json_option
@click.pass_obj
def rollback(
    session: Session,
    model: str | None,
    targets: tuple[str, ...],
    where: str | None,
    only_from: int | None,
    reason: str,
    plan: bool,
) -> None:
    """Go back to the version before; holds automatic deployment off until lift-hold.

    Name a MODEL, or with --where the targets on which every model goes back.
    """
    if where is not None:
        if targets:
            raise click.UsageError("--where selects the targets: leave --on out")
        if only_from is not None:
            raise click.UsageError("--from is for targets that --on names, or all of a model's")
        _roll_back_selected(session, where, model, reason, plan)
        return
    if model is None:
        raise click.UsageError("name a model, or the targets with --where")
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
        session.services, session.actor, model, targets=targets or None, reason=reason, only_from=only_from
    )
    say_unwatched(session)
    if printed_as_json(session, deployments_made):
        return
    for deployment in deployments_made:
        say(f"{deployment.target}: {model} is back at version {deployment.version}")
    _warn(going_back_to)
    say(f"automatic deployment of {model} is held; lift it with pilothouse lift-hold {model} --reason …")


def _roll_back_selected(session: Session, where: str, model: str | None, reason: str, plan: bool) -> None:
    services, actor = session.services, session.actor
    planned = selected_roll_back.selected_steps(services, actor, where, model)
    if plan:
        if not printed_as_json(session, planned):
            rows = ((s.model, s.target, s.now, s.now_record, s.then, s.then_record) for s in planned.steps)
            show_table(("model", "target", "now", "it is", "then", "it was"), rows, empty="")
            _warn(planned.steps)
            _say_stay(planned.stay)
        return
    done = selected_roll_back.roll_back_selected(services, actor, where, model, reason)
    say_unwatched(session)
    if not printed_as_json(session, done):
        for deployment in done.deployed:
            say(f"{deployment.target}: {deployment.model} is back at version {deployment.version}")
        _warn(planned.steps)
        _say_stay(done.stay)
        for name in dict.fromkeys(one.model for one in done.deployed):
            say(
                f"automatic deployment of {name} is held; lift it with pilothouse lift-hold {name} --reason …"
            )
    if done.faults:
        raise ConflictError(
            "\n".join(f"{name} was not rolled back: {why}" for name, why in done.faults.items())
        )


def _say_stay(stay: Sequence[tuple[str, str]]) -> None:
    for model, target in stay:
        say(f"{target}: {model} stays: nothing was live there before")


@click.command("lift-hold")
@click.argument("model")
@reason_option
@click.pass_obj
def lift_hold(session: Session, model: str, reason: str) -> None:
    """Let automatic deployment of MODEL run again, and its roll-outs go on."""
    deployment_operations.lift_hold(session.services, session.actor, model, reason=reason)
    say(f"automatic deployment of {model} is no longer held")


@click.command()
@click.option("--model", help="Only this model's.")
@click.option("--live/--all", default=True, help="Only what is live now (the default), or the history too.")
@limit_option
@json_option
@click.pass_obj
def deployments(session: Session, model: str | None, live: bool, limit: int) -> None:
    """What runs where, since when and why: all that is live, or the newest of the history."""
    services, actor = session.services, session.actor
    if live:
        records = deployment_operations.list_deployments(services, actor, model=model)
    else:
        where = (("model", model),) if model is not None else ()
        records, total = read_pages(
            lambda query: listings.deployments_page(services, actor, query), Query(where=where), limit
        )
        say_rest(len(records), total)
    if live and session.as_json:
        printed_as_json(session, with_unwatched(session, records))
        return
    _show(session, records, "nothing is deployed: request and approve a promotion first")
    if live:
        say_unwatched(session)


@click.command()
@click.option(
    "--at", "time", required=True, metavar="TIME", help='e.g. "2013-05-03 14:05"; UTC unless it names a zone.'
)
@click.option(
    "--clock",
    type=click.Choice(["event", "recorded"]),
    default="recorded",
    show_default=True,
    help="recorded: the wall clock; event: the time in the targets' data, for a replayed history.",
)
@json_option
@click.pass_obj
def deployed(session: Session, time: str, clock: str) -> None:
    """What was live where at TIME."""
    services, actor, at = session.services, session.actor, parse_time(time)
    records = deployment_operations.deployed_at(services, actor, at, clock=clock)
    if not records and clock == "recorded":
        of_data = deployment_operations.deployed_at(services, actor, at, clock="event")
        if of_data:
            count = texts.counted(len(of_data), "deployment")
            say(f"by the time in the targets' data it is {count}: --clock event lists what was live then")
    by = "by the wall clock" if clock == "recorded" else "by the time in the targets' data"
    _show(session, records, f"nothing was live at {time} {by}", recorded=clock == "recorded")


@click.command()
@click.argument("target")
@click.pass_obj
def token(session: Session, target: str) -> None:
    """Issue a new token for TARGET and print it once; the one before stops working.

    A serving process of this workspace takes the new one up by itself.
    """
    click.echo(target_operations.issue_token(session.services, session.actor, target))


@click.command()
@click.argument("model")
@click.argument("target")
@click.option(
    "--wait", is_flag=True, help="Wait until the live version answers at its URL; exit code 7 after 30 s."
)
@click.option("--url", "only_url", is_flag=True, help="Print the URL alone.")
@json_option
@click.pass_obj
def curl(session: Session, model: str, target: str, wait: bool, only_url: bool) -> None:
    """How to ask MODEL on TARGET for a prediction: its URL, and a curl command with a row that it held out.

    The command goes to stdout alone, so that it can be piped into a shell. Its prediction counts as traffic of the target.
    """
    from pilothouse.operations.fleet.readiness import wait_until_ready
    from pilothouse.operations.fleet.request_examples import request_example
    from pilothouse.presentation.request_texts import curl_command, curl_remark

    if wait:
        wait_until_ready(session.services, session.actor, model, target, _PATIENCE_S)
    example = request_example(session.services, session.actor, model, target)
    command = curl_command(example.url, example.body, example.token_file)
    if printed_as_json(session, {**plain(example), "command": command}):
        return
    if only_url:
        click.echo(example.url)
        return
    say(f"{model}/{example.version} on {target}: {example.url}")
    if remark := curl_remark(example.url):
        say(remark)
    click.echo(command)


def _warn(steps: Sequence[RollBackStep]) -> None:
    for step in steps:
        if step.then_was_bad:
            say(
                f"warning: {step.target}: version {step.then} was {step.then_record} when it was last live there"
            )


def _show(
    session: Session,
    deployments: tuple[Deployment, ...] | list[Deployment],
    empty: str,
    *,
    recorded: bool = False,
) -> None:
    if printed_as_json(session, deployments):
        return
    show_rows(deployment_history_table(deployments, recorded=recorded), empty=empty)
