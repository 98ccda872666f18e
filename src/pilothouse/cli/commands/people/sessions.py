"""The command that lists the sessions of consoles."""

import click

from pilothouse.cli.output import json_option, limit_option, printed_as_json, say_rest, show_table
from pilothouse.cli.session import Session
from pilothouse.operations.workspace import sessions as operations
from pilothouse.presentation.texts import ABSENT, time_text


@click.command()
@click.option("--open", "open_only", is_flag=True, help="Only those that are open.")
@limit_option
@json_option
@click.pass_obj
def sessions(session: Session, open_only: bool, limit: int) -> None:
    """Who has or had a console open, newest first, and how each ended."""
    records = operations.list_sessions(session.services, session.actor, open_only=open_only, limit=limit)
    say_rest(len(records), operations.count_sessions(session.services, session.actor, open_only=open_only))
    if printed_as_json(session, records):
        return
    show_table(
        ("session", "who", "known by", "opened (UTC)", "closed (UTC)", "how it ended", "terminal", "from"),
        (
            (
                s.id, s.actor, s.identity or ABSENT, time_text(s.opened_at), time_text(s.closed_at), s.ending or "open",
                s.terminal + (", read-only" if s.read_only else ""), s.address or ABSENT,
            )
            for s in records
        ),
        empty="nobody has opened a console yet",
    )  # fmt: skip
