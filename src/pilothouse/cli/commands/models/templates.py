"""Templates of ``init``: listed, and written into a new workspace."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pilothouse.cli.output import printed_as_json, say, show_table
from pilothouse.cli.session import Session

if TYPE_CHECKING:
    from pilothouse.operations.templates.catalogue import Template

_LIST = "list"

option = click.option(
    "--template",
    is_flag=False,
    flag_value=_LIST,
    metavar="NAME",
    help="A workspace to learn on: made data, model, plan. Without a name: lists the templates.",
)
"""``--template NAME``, or without a name."""


def wanted(session: Session, name: str) -> "Template | None":
    """The template; None where they were listed. Raises NotFoundError."""
    from pilothouse.operations.templates import catalogue

    if name != _LIST:
        return catalogue.template_of(name)
    templates = list(catalogue.TEMPLATES.values())
    if not printed_as_json(session, templates):
        show_table(
            ("template", "task", "what it shows"), ((t.name, t.task, t.line) for t in templates), empty=""
        )
        say("next: pilothouse init FOLDER --template NAME")
    return None


def check_room(root: Path, template: "Template") -> None:
    """Raise ConflictError where a file that it writes is there already."""
    from pilothouse.operations.templates import catalogue

    catalogue.check_room(root, template)


def write(session: Session, root: Path, template: "Template", owner: str) -> None:
    """Write the template's files and say what to type next."""
    from pilothouse.operations.templates import catalogue

    paths = catalogue.write(root, template, owner)
    if not printed_as_json(session, {"template": template, "written": [str(path) for path in paths]}):
        for path in paths:
            say(f"written: {path}")
    say(
        "the data is made, not measured: its figures say nothing about the real world (README.md there says more)"
    )
    here = Path.cwd().is_relative_to(root.absolute())
    say("next:")
    for line in (
        *(() if here else (f"cd {shlex.quote(str(root))}",)),
        "pilothouse apply",
        "pilothouse daemon start",
        f"pilothouse train {template.name} --wait",
    ):
        say(f"  {line}")
