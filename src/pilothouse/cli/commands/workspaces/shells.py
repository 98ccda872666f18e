"""Commands for the shell around the program: completion of command lines, and the manual page."""

import click

from pilothouse.cli.completion.scripts import SCRIPTS


@click.command()
@click.argument("shell", type=click.Choice(list(SCRIPTS)))
def completion(shell: str) -> None:
    """Print the script that completes commands, options and names in SHELL, also of models, versions, requests, targets and
    alerts. Its second line says where it goes."""
    click.echo(SCRIPTS[shell], nl=False)


@click.command()
def man() -> None:
    """Print the manual page pilothouse(1): to read it, pilothouse man | man -l -."""
    from pilothouse.cli.group import cli
    from pilothouse.cli.manual import page

    click.echo(page(cli), nl=False)
