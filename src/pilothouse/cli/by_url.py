"""Arguments that name a file or a source by URL, and the options with which a source is reached."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click


class FileOrUrl(click.ParamType[str]):
    """A file that exists, or a URL that a model file could have as its source."""

    name = "file"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The text as it is. Raises a usage error for a file that is not there."""
        from pilothouse.operations.ingest.by_url import is_by_url

        text = str(value)
        if not is_by_url(text):
            click.Path(exists=True, dir_okay=False, path_type=Path).convert(text, param, ctx)
        return text


def reached_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--query`` and ``--credentials``."""
    for option in (
        click.option(
            "--credentials",
            metavar="env:NAME|file:PATH",
            help="Where the secret of a source by URL is.",
        ),
        click.option("--query", metavar="SELECT", help="What to read of a database by URL."),
    ):
        command = option(command)
    return command
