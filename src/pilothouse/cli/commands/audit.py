"""The audit log: show, verify, export, head."""

from typing import IO

import click

from pilothouse.cli.output import json_option, say, show_json, show_rows
from pilothouse.cli.session import Session
from pilothouse.presentation.tables.work_rows import audit_table


@click.group()
def audit() -> None:
    """Who did what, when, and whether the log is whole."""


@audit.command()
@click.option("--limit", default=50, show_default=True, help="The newest so many.")
@json_option
@click.pass_obj
def show(session: Session, limit: int) -> None:
    """Show the newest entries."""
    from pilothouse.operations.workspace import audits

    found = audits.show(session.services, session.actor, limit=limit)
    if session.as_json:
        show_json(found)
        return
    show_rows(audit_table(found), empty="the audit log is empty")


@audit.command()
@click.option(
    "--head", "known", metavar="COUNT:HASH", help="A head that you kept: the log must still contain it."
)
@json_option
@click.pass_obj
def verify(session: Session, known: str | None) -> None:
    """Recompute the whole chain; exit code 6 names the first entry that is wrong."""
    from pilothouse.operations.workspace import audits

    head = audits.verify(session.services, session.actor, known=known)
    if session.as_json:
        show_json({"verified": True, "count": head.count, "hash": head.hash})
        return
    say(f"{head.count} entries verified; head {head.count}:{head.hash}")


@audit.command()
@json_option
@click.pass_obj
def head(session: Session) -> None:
    """Print the head of the chain, to be kept elsewhere."""
    from pilothouse.operations.workspace import audits

    found = audits.head(session.services, session.actor)
    if session.as_json:
        show_json(found)
        return
    click.echo(f"{found.count}:{found.hash}")


@audit.command()
@click.option("--output", type=click.File("w"), default="-", help="A file; stdout otherwise.")
@click.pass_obj
def export(session: Session, output: IO[str]) -> None:
    """Write every entry as one JSON object a line."""
    from pilothouse.operations.workspace import audits

    audits.export(session.services, session.actor, output)
