"""Commands about retention of prediction rows, and legal holds."""

import click

from pilothouse.cli.groups import group
from pilothouse.cli.output import json_option, on_option, printed_as_json, say, show_rows, show_table
from pilothouse.cli.session import Session
from pilothouse.domain.errors import InvalidInputError
from pilothouse.domain.formats.time_units import DAY_S
from pilothouse.operations.upkeep import retention as operations
from pilothouse.presentation.tables.legal_hold_rows import hold_table


@click.command()
@click.option("--apply", "apply_", is_flag=True, help="Delete what is due, and merge small segments.")
@click.option("--keep", metavar="DAYS", help="Keep rows for so many days after they came, or for good: off.")
@click.option(
    "--keep-in",
    metavar="DIR",
    help="Move rows into this folder, as files, before they are deleted; or delete them for good: off.",
)
@click.option("--reason", default="", help="Why, with --keep or --keep-in.")
@json_option
@click.pass_obj
def retention(session: Session, apply_: bool, keep: str | None, keep_in: str | None, reason: str) -> None:
    """What retention would delete. Without --apply nothing is deleted."""
    services, actor = session.services, session.actor
    if keep is not None:
        if keep != "off" and not keep.isdecimal():
            raise InvalidInputError(f"--keep: found {keep!r}; expected a number of days, or off")
        operations.keep_rows(services, actor, None if keep == "off" else int(keep), reason)
    if keep_in is not None:
        operations.keep_in(services, actor, None if keep_in == "off" else keep_in, reason)
    report = operations.apply(services, actor) if apply_ else operations.preview(services, actor)
    if printed_as_json(session, report):
        return
    show_table(
        ("model", "version", "target", "kept for", "stored", "deleted" if apply_ else "would go", "MB", "held by"),
        (
            (s.model, s.version, s.target, "good" if s.keep_s is None else f"{s.keep_s / DAY_S:g} d", s.stored_rows,
             s.rows, f"{s.bytes / 1e6:.1f}", f"a legal hold on {s.held}" if s.held else "")
            for s in report.shares
        ),
        empty="no predictions are stored",
    )  # fmt: skip
    days = operations.rows_kept_days(services, actor)
    say(f"the workspace keeps rows {'for good' if days is None else f'for {days} days'}")
    if place := operations.rows_kept_in(services, actor):
        say(f"rows that are due are moved into {place}, then deleted here")
    if apply_:
        say(
            f"{report.merged:,} small segments became {report.into:,}; {report.outcomes_expired:,} outcomes waited in "
            f"vain; {report.freed_bytes / 1e6:.1f} MB given back"
        )
    elif any(share.rows and not share.held for share in report.shares):
        say("nothing was deleted: add --apply")


@group("legal-hold")
def legal_hold() -> None:
    """Stop the deletion of predictions, or lift such a stop."""


@legal_hold.command("list")
@json_option
@click.pass_obj
def list_(session: Session) -> None:
    """List legal holds; those that were lifted too."""
    holds = operations.list_holds(session.services, session.actor)
    if printed_as_json(session, holds):
        return
    show_rows(hold_table(holds, session.services.now()), empty="no legal hold was ever placed")


@legal_hold.command()
@click.option("--model", default="", help="Only predictions of this model.")
@on_option("target", default="", help="Only predictions on this target.")
@click.option("--reason", required=True, help="Why.")
@click.pass_obj
def place(session: Session, model: str, target: str, reason: str) -> None:
    """Place a hold. It is on everything where neither a model nor a target is named."""
    hold = operations.place_hold(session.services, session.actor, reason, model=model, target=target)
    say(f"legal hold {hold.id} stands on {hold.scope}: no prediction of it is deleted")


@legal_hold.command()
@click.argument("hold", type=int)
@click.option("--reason", required=True, help="Why.")
@click.pass_obj
def lift(session: Session, hold: int, reason: str) -> None:
    """Lift HOLD."""
    operations.lift_hold(session.services, session.actor, hold, reason)
    say(f"legal hold {hold} is lifted")
