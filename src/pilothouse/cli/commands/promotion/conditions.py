"""Commands about conditions of approvals: listed, and confirmed by whoever is named."""

import click

from pilothouse.cli.groups import group
from pilothouse.cli.output import json_option, plain, printed_as_json, say, show_table
from pilothouse.cli.session import Session
from pilothouse.domain.promotion.conditions import obstacle_to_confirm
from pilothouse.operations.promotion.attached import conditions as operations


@group()
def conditions() -> None:
    """Conditions on which somebody approved: what is to be confirmed after a deployment, by whom and when."""


@conditions.command("list")
@click.option(
    "--all",
    "everything",
    is_flag=True,
    help="Also those that are confirmed, and those whose request is not deployed.",
)
@json_option
@click.pass_obj
def conditions_list(session: Session, everything: bool) -> None:
    """List conditions, the earliest due first; ▶ marks those that you can confirm."""
    found = operations.list_conditions(session.services, session.actor, open_only=not everything)
    now = session.services.now()
    if printed_as_json(session, [{**plain(one), "standing": one.standing(now)} for one in found]):
        return
    show_table(
        ("", "no", "due", "stands", "confirmed by", "condition", "request", "version", "approved by"),
        (
            (
                "" if obstacle_to_confirm(one, session.actor) else "▶",
                one.id,
                f"{one.due:%Y-%m-%d}",
                one.standing(now),
                one.confirmed_by or one.by,
                one.text if one.remark is None else f"{one.text}: {one.remark}",
                one.request_id,
                f"{one.model}/{one.version}",
                one.approver,
            )
            for one in found
        ),
        empty="no condition was made" if everything else "no condition is open",
    )


@conditions.command("confirm")
@click.argument("number", type=int)
@click.option("--reason", required=True, help="What was found, for the record.")
@click.pass_obj
def conditions_confirm(session: Session, number: int, reason: str) -> None:
    """Confirm condition NUMBER, as the person or in the role that it names."""
    done = operations.confirm(session.services, session.actor, number, reason)
    say(f"condition {number} of request {done.request_id} is confirmed by {done.confirmed_by}")
