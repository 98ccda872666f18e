"""The console, and who has had one open."""

from pathlib import Path

import click

from pilothouse.cli.output import json_option, show_json, show_table
from pilothouse.cli.session import Session, os_user
from pilothouse.presentation.texts import time_text


@click.command()
@click.argument("view", nargs=-1)
@click.option("--as", "as_name", metavar="NAME", help="Act as NAME, where the workspace lets that through.")
@click.option("--readonly", "read_only", is_flag=True, help="Look only: nothing can be changed.")
@click.option(
    "--config",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Keys, aliases, skin, plugins; else ~/.config/pilothouse/console.toml.",
)
@click.option("--no-plugins", "no_plugins", is_flag=True, help="Run no commands of the configuration.")
@click.option(
    "--lean/--no-lean",
    default=None,
    help="For a slow link: follow changes once a second. Else as over SSH or not.",
)
@click.pass_obj
def console(
    session: Session,
    view: tuple[str, ...] = (),
    as_name: str | None = None,
    read_only: bool = False,
    config: Path | None = None,
    no_plugins: bool = False,
    lean: bool | None = None,
) -> int:
    """Open the console, at a VIEW with its arguments where one is named (as after the colon)."""
    from pilothouse.console import app

    return app.run(
        session.root,
        os_user(),
        as_name or session.as_name,
        config=config,
        read_only=read_only,
        plugins=not no_plugins,
        lean=lean,
        start=" ".join(view) or "overview",
    )


@click.command()
@click.option("--open", "open_only", is_flag=True, help="Only those that are open.")
@click.option(
    "--limit", type=click.IntRange(1, 10_000), default=50, show_default=True, help="At most so many."
)
@json_option
@click.pass_obj
def sessions(session: Session, open_only: bool, limit: int) -> None:
    """Who has or had a console open, newest first, and how each ended."""
    from pilothouse.operations import sessions as operations

    found = operations.list_sessions(session.services, session.actor, open_only=open_only, limit=limit)
    if session.as_json:
        show_json(found)
        return
    show_table(
        ("session", "who", "opened (UTC)", "closed (UTC)", "how it ended", "terminal"),
        (
            (
                s.id, s.actor, time_text(s.opened_at), time_text(s.closed_at), s.ending or "open",
                s.terminal + (", read-only" if s.read_only else ""),
            )
            for s in found
        ),
        empty="nobody has opened a console yet",
    )  # fmt: skip
