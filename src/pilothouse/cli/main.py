"""``pilothouse``: the entry point. A call with nothing but options of the whole command line opens the console without click.

Click takes a twentieth of the time to the console's first frame, and most calls open the console.
"""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from pilothouse.cli import failures
from pilothouse.cli.completion.scripts import ASK
from pilothouse.system.supported import check_system
from pilothouse.system.workspace_place import find_workspace, os_user

_OPTIONS = {"-w": "workspace", "--workspace": "workspace", "--as": "as_name", "--at": "at"}
"""Options of the whole command line that take a value, as ``group.cli`` declares them."""


def read_options(arguments: Sequence[str]) -> dict[str, str] | None:
    """The values by name of a call with nothing but these options, each once; None for a call that click has to parse."""
    values: dict[str, str] = {}
    for option, value in zip(arguments[::2], arguments[1::2], strict=False):
        name = _OPTIONS.get(option)
        if name is None or name in values:
            return None
        values[name] = value
    return None if len(arguments) % 2 or Path(values.get("workspace", "")).is_file() else values


def run(arguments: Sequence[str]) -> object:
    """Run a command line. Returns an exit code or None."""
    if arguments and arguments[0] == ASK:
        from pilothouse.cli.completion import answer

        answer.main(arguments[1:])
        return None
    options = read_options(arguments)
    if options is None:
        from pilothouse.cli import group

        return group.run(arguments)
    check_system()
    workspace = Path(options["workspace"]) if "workspace" in options else None
    from pilothouse.console.launch import launch
    from pilothouse.console.session.options import ConsoleOptions

    console_options = ConsoleOptions(
        user=os_user(), uid=os.getuid(), as_name=options.get("as_name"), at=options.get("at", "")
    )
    return launch(find_workspace(workspace), console_options)


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point. Exits with the exit code of the command; no traceback reaches the user."""
    os.umask(0o077)
    sys.exit(failures.run(lambda: run(sys.argv[1:] if arguments is None else arguments)))


if __name__ == "__main__":
    main()
