"""Groups of commands whose help has each command's first sentence whole."""

import inspect
import re
from collections.abc import Callable
from typing import Any

import click


def first_sentence(command: click.Command) -> str:
    """First sentence of a command's help, in one line."""
    if command.short_help:
        return command.short_help
    paragraph = " ".join(inspect.cleandoc(command.help or "").partition("\n\n")[0].split())
    found = re.match(r".*?[^.]{3}\.(?= [A-Z]|$)", paragraph)
    return found[0] if found else paragraph


class WholeGroup(click.Group):
    """Group whose help lists its commands as the whole program's does: wrapped, not cut."""

    group_class = type

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write each command with its first sentence."""
        commands = [(name, self.get_command(ctx, name)) for name in self.list_commands(ctx)]
        with formatter.section("Commands"):
            formatter.write_dl([(name, first_sentence(one)) for name, one in commands if one is not None])


def group(name: str | None = None, **settings: Any) -> Callable[[Callable[..., Any]], WholeGroup]:
    """``click.group`` of a group whose help is whole at any width; groups inside it have the same class."""
    return click.group(name, cls=WholeGroup, **settings)
