"""The command that opens the console. It imports nothing that the first frame does not need."""

import os
from pathlib import Path

import click

from pilothouse.cli.session import Session
from pilothouse.domain.errors import InvalidInputError, NotAllowedError
from pilothouse.system.workspace_place import os_user


@click.command()
@click.argument("view", nargs=-1)
@click.option(
    "-w",
    "--workspace",
    "places",
    multiple=True,
    metavar="PLACE",
    help="A folder or ssh://USER@HOST/PATH; several times for one console over all of them.",
)
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
    places: tuple[str, ...] = (),
    as_name: str | None = None,
    read_only: bool = False,
    config: Path | None = None,
    no_plugins: bool = False,
    lean: bool | None = None,
) -> int:
    """Open the console, at a VIEW with its arguments where one is named (as after the colon).

    With -w it is one over several workspaces. Over SSH it is that of the key's user, and runs no commands of the configuration.
    """
    start = session.start
    if start is not None and (as_name is not None or config is not None):
        raise NotAllowedError("--as and --config are refused over SSH: the key says who it is")
    if places:
        if start is not None:
            raise NotAllowedError("-w is refused over SSH: the key says which workspace it is")
        if view or session.at or session.as_name or as_name or session.workspace:
            raise InvalidInputError(
                "a console over several workspaces takes no VIEW, --at or --as, and -w behind the word console alone"
            )
        from pilothouse.console.sites.launch import launch as launch_sites

        return launch_sites(places, read_only=read_only, config_path=config)
    from pilothouse.console.launch import launch
    from pilothouse.console.session.options import ConsoleOptions

    options = ConsoleOptions(
        user=os_user(),
        uid=None if start is not None else os.getuid(),
        as_name=start.name if start is not None else as_name or session.as_name,
        start=" ".join(view) or "overview",
        at=session.at or "",
        read_only=read_only,
        plugins=not no_plugins and start is None,
        lean=lean,
        config_path=config,
        trusted=start,
        address=start.address if start is not None else "",
    )
    return launch(session.root, options)
