"""Commands that somebody may run over SSH: those of the table alone, and no path of the server in any of them."""

from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from pilothouse.cli.group import LazyGroup, cli
from pilothouse.cli.remote_commands import REMOTE, checked
from pilothouse.cli.session import Session
from pilothouse.console import launch
from pilothouse.console.session.options import ConsoleOptions
from pilothouse.domain.errors import NotAllowedError
from pilothouse.domain.identity.identity import Identity, IdentityKind
from pilothouse.domain.identity.trusted_start import TrustedStart


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


def test_whatever_is_not_in_the_table_is_refused() -> None:
    for name in cli.list_commands(click.Context(cli)):
        for words in ([name], ["pilothouse", name]):
            if name in NAMES:
                assert checked(words) == [name]
            else:
                with pytest.raises(NotAllowedError, match="refused over SSH"):
                    checked(words)


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
        ["--version"],
        ["--", "status"],
        ["pilothouse", "pilothouse", "status"],
        ["--json"],
        ["--json", "--json", "status"],
        ["--json", "--help"],
        ["--json", "--as", "status", "console", "--as", "root", "--config", "/dev/stdin"],
        ["--json", "--as", "status", "daemon", "stop"],
        ["--json", "--as=status", "status"],
        ["--json", "--as", "ada", "status"],
        ["--json", "-w", "status", "init", "/srv/elsewhere"],
        ["--json", "-w/other", "status"],
        ["--json", "--workspace=/other", "status"],
        ["--json", "--workspace", "/other", "status"],
        ["--json", "--at=2013-07-04", "status"],
        ["--json", "--at", "status", "drift", "/any.csv"],
        ["--json=", "status"],
        ["--jso", "status"],
        ["-wstatus", "status"],
    ],
)
def test_options_before_the_command_are_refused_but_for_json(words: list[str]) -> None:
    with pytest.raises(NotAllowedError, match="is refused over SSH"):
        checked(words)


def test_json_may_stand_before_the_command() -> None:
    assert checked(["pilothouse", "--json", "status"]) == ["--json", "status"]


@pytest.fixture
def remote(tmp_path: Path) -> Session:
    """What a trusted start hands over."""
    start = TrustedStart("vera", Identity(IdentityKind.SSH_KEY, "", "SHA256:x"), "127.0.0.1")
    return Session(tmp_path, None, False, start=start)


def test_the_command_line_itself_refuses_them_under_a_trusted_start(remote: Session) -> None:
    """Whatever the check of the words lets through."""
    for name in cli.list_commands(click.Context(cli)):
        if name not in NAMES:
            with pytest.raises(NotAllowedError, match=f"'{name}' is refused over SSH"):
                cli.main(["--json", name, "--help"], standalone_mode=False, obj=remote)
    for options in (["--as", "ada"], ["-w", "/srv"], ["-w/srv"], ["--workspace=/srv"], ["--at", "-1d"]):
        with pytest.raises(NotAllowedError, match="only --json is taken"):
            cli.main([*options, "status"], standalone_mode=False, obj=remote)


def test_the_console_of_a_trusted_start_is_its_users_and_runs_no_plugins(
    remote: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[ConsoleOptions] = []
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "registry.db").touch()
    monkeypatch.setattr(launch, "launch", lambda root, options: opened.append(options) or 0)
    for words in (["console"], ["console", "monitor", "delay", "jfk"], []):
        cli.main(words, standalone_mode=False, obj=remote)
    for options in opened:
        assert (options.as_name, options.trusted, options.plugins) == ("vera", remote.start, False)
        assert (options.config_path, options.uid, options.address) == (None, None, "127.0.0.1")
    assert [options.start for options in opened] == ["overview", "monitor delay jfk", "overview"]
    for words in (["--as", "ada"], ["--config", "/dev/stdin"], ["--config=-"], ["--config", "/etc/x"]):
        with pytest.raises(NotAllowedError, match="refused over SSH"):
            cli.main(["console", *words], standalone_mode=False, obj=remote)
    assert len(opened) == 3


def test_every_path_of_every_command_is_refused_but_a_stream(remote: Session) -> None:
    paths = [
        (command, name, parameter)
        for name, command in every_command()
        for parameter in command.params
        if name.split()[0] in NAMES
        and (isinstance(parameter.type, click.Path | click.File) or parameter.metavar in ("FILE", "FOLDER"))
    ]
    assert {name for _, name, _ in paths} >= {
        "audit export",
        "audit verify",
        "users add",
        "users keys",
        "approve",
        "evidence export",
        "dossier",
        "console",
    }
    streams = set()
    for command, name, parameter in paths:
        context = click.Context(cli, obj=remote)
        guarded = cli.get_command(context, name.split()[0])
        for word in name.split()[1:]:
            assert isinstance(guarded, click.Group)
            guarded = guarded.get_command(context, word)
        assert guarded is not None
        (held,) = [one for one in guarded.params if one.name == parameter.name]
        for given in ("/etc/passwd", "./-", "-/x", ""):
            with pytest.raises(NotAllowedError, match="files and folders of the server"):
                held.type.convert(given, held, context)
        if getattr(parameter.type, "allow_dash", False):
            assert str(held.type.convert("-", held, context)) == "-"
            streams.add(name)
        else:
            with pytest.raises(NotAllowedError, match="files and folders of the server"):
                held.type.convert("-", held, context)
        assert parameter in command.params, "the command of others is as it was"
        assert not isinstance(parameter.type, type(held.type))
    assert streams == {
        "audit export", "dossier", "users add", "users keys", "approve", "reject", "attach", "document", "break-glass deploy",
        "erase plan", "report",
    }  # fmt: skip
