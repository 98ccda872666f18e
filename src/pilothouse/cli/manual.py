"""The manual page ``pilothouse(1)`` in man(7)'s form, from the same commands as the help."""

import inspect
from collections.abc import Iterator

import click

from pilothouse import __version__

_ENVIRONMENT = (
    ("PILOTHOUSE_WORKSPACE", "The workspace's folder, where --workspace names none."),
    ("NO_COLOR", "Where it is set, the console draws without colours."),
)
_FILES = (
    ("targets.toml, plans.toml, alerts.toml, integrations.toml", "Settings of the workspace."),
    ("models/NAME/model.toml", "A model; train.py and gate.py may lie beside it."),
    ("state/", "What Pilothouse writes; readable by its owner alone."),
)
_STATUS = (
    ("0", "Done; of status: healthy or suspected."),
    ("1", "A part of the command failed, or a check found a fault."),
    ("2", "The command line cannot be read, or a file is wrong; of diff: something differs."),
    ("10 to 14, 20 to 22", "Of status: look, critical, down, a dead channel; see pilothouse status --help."),
)


def page(root: click.Group) -> str:
    """The whole page, in the order of ``pilothouse --help``."""
    return "\n".join(_lines(root)) + "\n"


def every_command(
    group: click.Group, before: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """All commands and groups below ``group``, each with the words that lead to it."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        yield (*before, name), command
        if isinstance(command, click.Group):
            yield from every_command(command, (*before, name))


def _lines(root: click.Group) -> Iterator[str]:
    yield f'.TH PILOTHOUSE 1 "" "Pilothouse {__version__}" "User commands"'
    yield ".SH NAME"
    yield r"pilothouse \- terminal operations console for machine-learning models"
    yield ".SH SYNOPSIS"
    yield r".B pilothouse"
    yield r"[\fIOPTIONS\fR] [\fICOMMAND\fR [\fIARGUMENTS\fR]]"
    yield ".SH DESCRIPTION"
    yield from _paragraphs(root.help or "")
    yield ".SH OPTIONS"
    yield from _options(root)
    yield ".SH COMMANDS"
    for path, command in every_command(root):
        yield f'.SS "pilothouse {_text(" ".join(path))}"'
        usage = [
            p.make_metavar(click.Context(command)) for p in command.params if isinstance(p, click.Argument)
        ]
        usage += ["COMMAND"] if isinstance(command, click.Group) else []
        if usage:
            yield rf"\fI{_text(' '.join(usage))}\fR"
            yield ".PP"
        yield from _paragraphs(command.help or "")
        yield from _options(command)
    for title, rows in (("ENVIRONMENT", _ENVIRONMENT), ("FILES", _FILES), ("EXIT STATUS", _STATUS)):
        yield f'.SH "{title}"'
        for term, meaning in rows:
            yield from (".TP", rf"\fB{_text(term)}\fR", _text(meaning))
    yield ".SH SEE ALSO"
    yield "The documents of the project: docs/command-line.md and docs/console.md."


def _options(command: click.Command) -> Iterator[str]:
    context = click.Context(command)
    for parameter in command.params:
        record = parameter.get_help_record(context) if isinstance(parameter, click.Option) else None
        if record is not None:
            yield from (".TP", rf"\fB{_text(record[0])}\fR", _text(record[1]) or r"\&")


def _paragraphs(text: str) -> Iterator[str]:
    for number, paragraph in enumerate(inspect.cleandoc(text).split("\n\n")):
        if number:
            yield ".PP"
        yield _text(" ".join(paragraph.split()))


def _text(text: str) -> str:
    """Text in which nothing is a request or an escape of roff."""
    plain = text.replace("\\", r"\e").replace("-", r"\-")
    return rf"\&{plain}" if plain[:1] in (".", "'") else plain
