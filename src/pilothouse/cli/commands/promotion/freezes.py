"""Commands about freeze windows."""

from datetime import UTC, datetime

import click

from pilothouse.cli.groups import group
from pilothouse.cli.output import json_option, printed_as_json, reason_option, say, show_table
from pilothouse.cli.session import Session
from pilothouse.domain.promotion.freezes import frozen_until
from pilothouse.operations.promotion import freezes as operations


@group()
def freeze() -> None:
    """Freeze windows: nothing is approved or deployed without hands; rolling back and breaking the glass go on."""


@freeze.command("set")
@click.argument("name")
@click.option(
    "--from", "begins", required=True, help='"fri 16:00", "22:00" (every day) or "2026-12-20 00:00".'
)
@click.option("--to", "ends", required=True, help="The same for its end.")
@click.option("--timezone", default="UTC", show_default=True, help="Zone of both, e.g. Europe/Berlin.")
@click.option("--model", default="", help="For this model only.")
@reason_option
@click.pass_obj
def freeze_set(
    session: Session, name: str, begins: str, ends: str, timezone: str, model: str, reason: str
) -> None:
    """Set the freeze NAME."""
    window = operations.set_freeze(
        session.services, session.actor, name, begins, ends, timezone, model=model, reason=reason
    )
    say(f"{window.model or 'every model'} is frozen {window.rule}")


@freeze.command("lift")
@click.argument("name")
@reason_option
@click.pass_obj
def freeze_lift(session: Session, name: str, reason: str) -> None:
    """End the freeze NAME for good."""
    operations.lift_freeze(session.services, session.actor, name, reason)
    say(f"the freeze {name} is lifted")


@freeze.command("list")
@click.option("--all", "with_lifted", is_flag=True, help="Lifted ones too.")
@json_option
@click.pass_obj
def freeze_list(session: Session, with_lifted: bool) -> None:
    """List freeze windows, and which of them hold now."""
    windows = operations.list_freezes(session.services, session.actor, with_lifted=with_lifted)
    if printed_as_json(session, windows):
        return
    now = datetime.now(UTC)
    show_table(
        ("name", "rule", "for", "now", "set by", "reason"),
        (
            (
                w.name,
                w.rule,
                w.model or "all models",
                _now(w.lifted_at, frozen_until(w, now)),
                w.set_by,
                w.reason,
            )
            for w in windows
        ),
        empty="nothing is ever frozen",
    )


def _now(lifted: datetime | None, until: datetime | None) -> str:
    if lifted is not None:
        return f"lifted {lifted:%Y-%m-%d}"
    return f"until {until:%Y-%m-%d %H:%M} UTC" if until else "open"
