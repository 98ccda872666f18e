"""Commands about the inventory of models: list it, record a review."""

import click

from pilothouse.cli.output import json_option, plain, printed_as_json, say, show_rows
from pilothouse.cli.session import Session
from pilothouse.domain.audit.inventory import ReviewOutcome
from pilothouse.operations.dossier import inventory as inventory_operations
from pilothouse.presentation.tables.inventory_rows import inventory_csv, inventory_table


@click.command()
@click.option(
    "--due",
    is_flag=True,
    help="Only models with something open: a review that is due, one that found it unfit.",
)
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV.")
@json_option
@click.pass_obj
def inventory(session: Session, due: bool, as_csv: bool) -> None:
    """List every model with its risk tier, use, owner, validator and next review."""
    entries = inventory_operations.list_inventory(session.services, session.actor)
    chosen = [entry for entry in entries if entry.open_items or not due]
    if as_csv:
        click.echo(inventory_csv(chosen), nl=False)
        return
    if printed_as_json(session, [{**plain(entry), "open_items": entry.open_items} for entry in chosen]):
        return
    empty = (
        "nothing is open"
        if due and entries
        else "no models yet: write models/NAME/model.toml and run pilothouse apply"
    )
    show_rows(inventory_table(chosen), empty=empty)
    unsaid = sum(entry.said is None for entry in chosen)
    if unsaid:
        say(f"{unsaid} of {len(chosen)} have no [inventory] in their model file")


@click.command()
@click.argument("model")
@click.option(
    "--outcome",
    type=click.Choice([str(outcome) for outcome in ReviewOutcome]),
    required=True,
    help="Fit for its intended use, fit under conditions (the reason names them), or unfit.",
)
@click.option(
    "--next", "next_review", metavar="DATE", required=True, help="By when it is reviewed again: 2027-03-31."
)
@click.option("--reason", required=True, help="What was looked at and found.")
@json_option
@click.pass_obj
def review(session: Session, model: str, outcome: str, next_review: str, reason: str) -> None:
    """Record the review of MODEL; its validator does, or an approver or auditor who does not own it."""
    entry = inventory_operations.review(
        session.services, session.actor, model, ReviewOutcome(outcome), next_review=next_review, reason=reason
    )
    if printed_as_json(session, entry):
        return
    say(f"{model}: {outcome}; the next review is due on {entry.due}")
