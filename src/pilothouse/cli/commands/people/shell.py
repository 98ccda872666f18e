"""The command that sshd starts for somebody whom it let in with a key. It imports little: the first frame waits for it."""

import os
import shlex

import click

from pilothouse.cli import remote_commands
from pilothouse.cli.session import Session
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
    arguments = _arguments(os.environ.pop("SSH_ORIGINAL_COMMAND", ""))
    session.close()
    from pilothouse.cli.group import cli

    remote = Session(session.root, None, False, start=start)
    with cli.make_context("pilothouse", arguments, obj=remote) as context:
        return cli.invoke(context)


def _arguments(asked: str) -> list[str]:
    if not asked.strip():
        return ["console"]
    try:
        words = shlex.split(asked)
    except ValueError as error:
        raise InvalidInputError(f"the command cannot be read: {error}") from None
    return remote_commands.checked(words)
