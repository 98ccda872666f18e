"""On a system that is not Linux every command says so in one line, but for what needs nothing of it."""

import sys
from pathlib import Path

import pytest

from pilothouse.cli import failures, main
from pilothouse.cli.group import _ANYWHERE, _COMMANDS


def run(*arguments: str) -> int:
    return failures.run(lambda: main.run(arguments))


@pytest.fixture(autouse=True)
def elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A Mac, in a folder without anything."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "platform", "darwin")


@pytest.mark.parametrize("command", ["", *(name for name in _COMMANDS if name not in _ANYWHERE)])
def test_every_command_says_what_is_missing_and_what_to_use(command: str, capsys) -> None:
    assert run(*filter(None, [command])) == 7
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    assert "runs on Linux, and this is darwin" in captured.err
    assert "use a Linux machine" in captured.err


def test_two_files_are_compared_and_help_is_given_everywhere(tmp_path: Path, capsys) -> None:
    (tmp_path / "a.csv").write_text("x\n" + "1\n2\n3\n" * 40)
    assert run("drift", "a.csv", "a.csv") == 0
    assert run("--help") == 0
    assert run("--version") == 0
    assert run("completion", "bash") == 0
    assert run("__complete", "dri") == 0
    assert "runs on Linux" not in capsys.readouterr().err
