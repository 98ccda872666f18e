"""The command that sshd starts for somebody whom it let in with a key. It imports little: the first frame waits for it."""

import os
import shlex

import click

from pilothouse.cli import remote_commands
from pilothouse.cli.session import Session, os_user
from pilothouse.domain.errors import InvalidInputError, NotAllowedError


@click.command()
@click.argument("name")
@click.pass_obj
def shell(session: Session, name: str) -> object:
    """Open the console as NAME, or run the one command that was asked for. sshd starts it, as the forced command of a key."""
    from pilothouse.operations.identity import trusted_starts

    if session.as_name is not None or session.at is not None:
        raise NotAllowedError("pilothouse shell takes no other option than the workspace")
    start = trusted_starts.begin(session.services, name, os.environ)
    asked = os.environ.pop("SSH_ORIGINAL_COMMAND", "")
    if asked.strip():
        from pilothouse.cli.group import cli

        try:
            words = shlex.split(asked)
        except ValueError as error:
            raise InvalidInputError(f"the command cannot be read: {error}") from None
        arguments = remote_commands.checked(cli, words)
        session.close()
        return cli.main(
            ["--workspace", str(session.root), *arguments],
            prog_name="pilothouse",
            standalone_mode=False,
            obj=start,
        )
    from pilothouse.console.launch import launch
    from pilothouse.console.session.options import ConsoleOptions

    session.close()
    options = ConsoleOptions(
        user=os_user(), as_name=name, trusted=start, address=start.address, plugins=False
    )
    return launch(session.root, options)
