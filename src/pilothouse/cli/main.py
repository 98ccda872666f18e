"""``pilothouse``: the entry point. A console that is asked for by the options of every command is opened without click.

Click costs a twentieth of the time to the console's first frame, and the console is what most calls are for.
"""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from pilothouse.cli import failures
from pilothouse.cli.session import find_workspace, os_user
from pilothouse.system.supported import check_system

_OPTIONS = {"-w": "workspace", "--workspace": "workspace", "--as": "as_name", "--at": "at"}
"""Options of the whole command line that take a value. ``group.cli`` declares the same ones."""


def read_options(arguments: Sequence[str]) -> dict[str, str] | None:
    """The values by name where there is nothing but options with a value, each once; None for what click has to read."""
    values: dict[str, str] = {}
    for option, value in zip(arguments[::2], arguments[1::2], strict=False):
        name = _OPTIONS.get(option)
        if name is None or name in values:
            return None
        values[name] = value
    return None if len(arguments) % 2 or Path(values.get("workspace", "")).is_file() else values


def run(arguments: Sequence[str]) -> object:
    """Run what the command line asks for. Returns an exit code or None."""
    options = read_options(arguments)
    if options is None:
        from pilothouse.cli import group

        return group.run(arguments)
    check_system()
    workspace = Path(options["workspace"]) if "workspace" in options else None
    from pilothouse.console.launch import launch
    from pilothouse.console.session.options import ConsoleOptions

    wanted = ConsoleOptions(user=os_user(), as_name=options.get("as_name"), at=options.get("at", ""))
    return launch(find_workspace(workspace), wanted)


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point. Leaves with the exit code of what happened; no traceback reaches the user."""
    os.umask(0o077)
    given = sys.argv[1:] if arguments is None else arguments
    sys.exit(failures.run(lambda: run(given)))


if __name__ == "__main__":
    main()
