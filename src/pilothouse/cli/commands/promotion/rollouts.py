"""Commands about roll-outs and the plans that they follow."""

from datetime import UTC, datetime

import click

from pilothouse.cli.groups import group
from pilothouse.cli.output import (
    json_option,
    limit_option,
    printed_as_json,
    say,
    say_unwatched,
    show_lines,
    show_rows,
)
from pilothouse.cli.session import Session
from pilothouse.domain.formats.safe_text import safe
from pilothouse.domain.rollouts.view import RolloutView
from pilothouse.operations.plans import plans_in_force
from pilothouse.operations.rollouts import steering, views
from pilothouse.presentation.cell import Cell
from pilothouse.presentation.pages.rollout_page import rollout_lines
from pilothouse.presentation.tables.rollouts import plan_rows, rollout_plain, rollout_table
from pilothouse.presentation.tables.table import Column, Row, Table


@click.command()
@json_option
@click.pass_obj
def plans(session: Session) -> None:
    """List the plans in force, which plans.toml describes: waves of targets, and the steps of each."""
    found = plans_in_force.list_plans(session.services, session.actor)
    plain = [
        {
            **one.plan.to_plain(),
            "digest": one.plan.digest,
            "applied_by": one.applied_by,
            "floor": one.is_floor,
        }
        for one in found
    ]
    if printed_as_json(session, plain):
        return
    rows = [
        (safe(f"{one.plan.name}{' (policy)' if one.is_floor else ''}") if i == 0 else "", *row)
        for one in found
        for i, row in enumerate(plan_rows(one.plan))
    ]
    columns = tuple(Column(title) for title in ("PLAN", "WAVE", "TARGETS", "STEPS"))
    table = Table(columns, tuple(Row(str(n), tuple(map(Cell, row))) for n, row in enumerate(rows)))
    show_rows(table, empty="no plan: describe one in plans.toml, then pilothouse apply")


@group()
def rollout() -> None:
    """Watch and steer roll-outs: versions that go out in waves of targets, by the plan that their approvers signed."""


@rollout.command("list")
@click.option("--model", help="Only this model's.")
@click.option("--all", "everything", is_flag=True, help="Also those that have ended.")
@limit_option
@json_option
@click.pass_obj
def rollout_list(session: Session, model: str | None, everything: bool, limit: int) -> None:
    """List roll-outs on their way, newest first."""
    found = views.list_rollouts(
        session.services, session.actor, model=model, unfinished=not everything, limit=limit
    )
    if printed_as_json(session, [rollout_plain(one) for one in found]):
        return
    table = rollout_table(found, datetime.now(UTC))
    show_rows(table, empty=table.empty)
    say_unwatched(session)


@rollout.command("show")
@click.argument("number", type=int)
@json_option
@click.pass_obj
def rollout_show(session: Session, number: int) -> None:
    """Show roll-out NUMBER: its waves, what it waits for, its evidence, what happened."""
    view = views.show_rollout(session.services, session.actor, number)
    if printed_as_json(session, _plain_view(view)):
        return
    show_lines(rollout_lines(view, datetime.now(UTC)))
    say_unwatched(session)


@rollout.command("pause")
@click.argument("number", type=int)
@click.option("--reason", required=True, help="Why, for the record.")
@click.pass_obj
def rollout_pause(session: Session, number: int, reason: str) -> None:
    """Pause roll-out NUMBER: it takes no step forward.

    It goes on once it is resumed. What is found against its version takes it back all the same.
    """
    steering.pause(session.services, session.actor, number, reason)
    say(f"roll-out {number} is paused")


@rollout.command("resume")
@click.argument("number", type=int)
@click.option("--reason", default="", help="Why, for the record.")
@click.pass_obj
def rollout_resume(session: Session, number: int, reason: str) -> None:
    """Resume the paused roll-out NUMBER.

    The patience of its step begins anew.
    """
    steering.resume(session.services, session.actor, number, reason)
    say(f"roll-out {number} goes on")


@rollout.command("go-on")
@click.argument("number", type=int)
@click.option(
    "--step",
    "shown",
    required=True,
    metavar="WAVE.STEP",
    help="The step that you saw, as rollout show names it: 2.1. At another one by now, nothing is done.",
)
@click.option("--reason", default="", help="Why, for the record; needed where the step does not end by hand.")
@click.pass_obj
def rollout_go_on(session: Session, number: int, shown: str, reason: str) -> None:
    """End the current step of roll-out NUMBER, so that the next one begins.

    Where the plan says hand, the least time and number of requests still hold. Where it says time or evidence, the step ends
    without them: that takes an approver, and a reason.
    """
    wave, _, step = shown.partition(".")
    if not (wave.isdecimal() and step.isdecimal() and int(wave) and int(step)):
        raise click.UsageError(
            f"--step: found {shown!r}; expected wave and step as rollout show names them: 2.1"
        )
    place = int(wave) - 1, int(step) - 1
    steering.go_on(session.services, session.actor, number, reason, shown=place)
    say(f"the step of roll-out {number} may end")


@rollout.command("abort")
@click.argument("number", type=int)
@click.option("--reason", required=True, help="Why, for the record.")
@click.pass_obj
def rollout_abort(session: Session, number: int, reason: str) -> None:
    """End roll-out NUMBER, and take its targets back.

    Every target that it touched goes back to the version that was live there before.
    """
    done = steering.abort(session.services, session.actor, number, reason)
    back = [one.target for one in done.targets if one.state == "back"]
    say(f"roll-out {number} is aborted: {', '.join(back) or 'no target had to go'} back")


def _plain_view(view: RolloutView) -> dict[str, object]:
    return {
        **rollout_plain(view.rollout),
        "waves": view.rollout.plan.to_plain()["wave"],
        "places": [
            {"target": one.place.target, "live": one.live, "serving": one.serving} for one in view.places
        ],
        "evidence": view.evidence,
        "arms": list(view.arms),
        "logs": list(view.logs),
        "next": view.next,
        "until": view.until,
        "may": sorted(view.may),
        "events": list(view.events),
    }
