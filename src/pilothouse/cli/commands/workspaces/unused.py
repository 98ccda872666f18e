"""Command that removes files which interrupted work left."""

from datetime import timedelta

import click

from pilothouse.cli.output import json_option, printed_as_json, say, show_table
from pilothouse.cli.session import Session
from pilothouse.domain.models.dataclass_reader import parse_duration
from pilothouse.presentation.texts import size_text

_SHOWN = 20


@click.command()
@click.option("--delete", is_flag=True, help="Remove them; without it they are listed alone.")
@click.option(
    "--older", default="1d", metavar="DURATION", help="Left alone where put less than this ago: 1d, 12h."
)
@json_option
@click.pass_obj
def gc(session: Session, delete: bool, older: str) -> None:
    """List files of the artifact store that nothing names, and remove them with --delete.

    A job that was killed leaves them. Whatever any row of the registry or a mark of an erasure names is kept.
    """
    from pilothouse.operations.upkeep import unused_files

    act = unused_files.remove_unused if delete else unused_files.list_unused
    found = act(session.services, session.actor, timedelta(seconds=parse_duration(older)))
    if printed_as_json(session, {"removed": delete, "files": found}):
        return
    show_table(
        ("file", "bytes", "hours old"),
        (
            (one.digest or one.path.name, f"{one.bytes:,}", f"{one.age_s / 3_600:,.0f}")
            for one in found[:_SHOWN]
        ),
        empty="every file is named by something on record",
    )
    if not found:
        return
    more = f", {len(found) - _SHOWN:,} of them not listed" if len(found) > _SHOWN else ""
    size = size_text(sum(one.bytes for one in found))
    say(
        f"{len(found):,} files{more}, {size}: {'removed' if delete else 'pilothouse gc --delete removes them'}"
    )
