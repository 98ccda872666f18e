"""Commands that somebody may run over SSH: those of the table alone, and no path of the server in any of them."""

from collections.abc import Iterator

import click
import pytest

from pilothouse.cli.group import LazyGroup, cli
from pilothouse.cli.remote_commands import REMOTE, checked
from pilothouse.domain.errors import NotAllowedError


@pytest.fixture
def group() -> Iterator[click.Group]:
    """The command line, whose commands the check may change: a process of sshd's runs one and ends."""
    before = {name: [(p, p.type) for p in command.params] for name, command in every_command()}
    yield cli
    for kept in before.values():
        for parameter, kind in kept:
            parameter.type = kind


def every_command(above: click.Group = cli, words: str = "") -> Iterator[tuple[str, click.Command]]:
    context = click.Context(above)
    for name in above.list_commands(context):
        command = above.get_command(context, name)
        assert command is not None
        yield f"{words} {name}".strip(), command
        if isinstance(command, click.Group):
            yield from every_command(command, f"{words} {name}".strip())


NAMES = [name for names in REMOTE.values() for name in names]


def test_the_table_names_commands_and_each_once() -> None:
    assert set(NAMES) <= set(LazyGroup().list_commands(click.Context(cli)))
    assert len(NAMES) == len(set(NAMES))


def test_whatever_is_not_in_the_table_is_refused(group: click.Group) -> None:
    for name in group.list_commands(click.Context(group)):
        for words in ([name], ["pilothouse", name]):
            if name in NAMES:
                assert checked(group, words) == [name]
            else:
                with pytest.raises(NotAllowedError, match="refused over SSH"):
                    checked(group, words)


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["pilothouse"],
        ["--as", "ada", "status"],
        ["--workspace=/srv", "status"],
        ["-w", "status", "init"],
        ["--at", "status", "backup"],
        ["--help"],
        ["pilothouse", "pilothouse", "status"],
    ],
)
def test_options_before_the_command_are_refused_but_for_json(group: click.Group, words: list[str]) -> None:
    with pytest.raises(NotAllowedError):
        checked(group, words)


def test_json_may_stand_before_the_command(group: click.Group) -> None:
    assert checked(group, ["pilothouse", "--json", "status"]) == ["--json", "status"]


def test_every_path_of_every_command_is_refused_but_the_input(group: click.Group) -> None:
    paths = [
        (name, parameter)
        for name, command in every_command()
        for parameter in command.params
        if name.split()[0] in NAMES
        and (isinstance(parameter.type, click.Path | click.File) or parameter.metavar in ("FILE", "FOLDER"))
    ]
    assert {name for name, _ in paths} >= {
        "audit export",
        "users add",
        "users keys",
        "approve",
        "evidence export",
    }
    for name in NAMES:
        checked(group, [name])

    for name, parameter in paths:
        with pytest.raises(NotAllowedError, match="files and folders of the server"):
            parameter.type.convert("/etc/passwd", parameter, None)
        with pytest.raises(NotAllowedError, match="files and folders of the server"):
            parameter.type.convert("./-", parameter, None)
        assert name
