"""Commands for sshd: the keys that it lets in, and the lines that its configuration needs."""

import click

from pilothouse.cli.groups import group
from pilothouse.cli.session import Session


@group()
def ssh() -> None:
    """How people come in by SSH, each with a key of their own."""


@ssh.command("authorized-keys")
@click.pass_obj
def authorized_keys(session: Session) -> None:
    """Print the file authorized_keys: the keys in force, each with its forced command."""
    from pilothouse.operations.identity import ssh_lines

    for line in ssh_lines.authorized_keys(session.services, session.actor):
        click.echo(line)


@ssh.command("keys-command")
@click.argument("account")
@click.argument("key_type")
@click.argument("key")
@click.pass_obj
def keys_command(session: Session, account: str, key_type: str, key: str) -> None:
    """Answer sshd for one KEY that somebody offers (AuthorizedKeysCommand … %u %t %k). Nothing where it is nobody's."""
    from pilothouse.operations.identity import ssh_lines

    for line in ssh_lines.keys_command(session.services, account, key_type, key):
        click.echo(line)


@ssh.command("sshd-config")
@click.pass_obj
def sshd_config(session: Session) -> None:
    """Print the lines that sshd_config needs."""
    from pilothouse.operations.identity import ssh_lines

    for line in ssh_lines.sshd_config(session.root):
        click.echo(line)
