"""Every command shown in a document exists, with its options and its number of arguments."""

import re
import shlex
from pathlib import Path

import click
import pytest
from documents import DOCUMENTS, PAGES, ROOT, blocks, tables_module

from pilothouse.cli.group import cli
from pilothouse.cli.session import Session

OPERATORS = {"|", "||", "&&", ";", "&"}


def commands_shown(page: Path) -> list[list[str]]:
    """The words after ``pilothouse`` of every command in the page's console blocks."""
    found = []
    for block in blocks(page, "console"):
        for line in re.sub(r"\\\n\s*", " ", block).splitlines():
            if not line.startswith("$ "):
                continue
            shell = shlex.shlex(line[2:], posix=True, punctuation_chars="|&;<>()")
            shell.whitespace_split = True
            found += _calls(list(shell))
    return found


def _calls(words: list[str]) -> list[list[str]]:
    calls: list[list[str]] = []
    taking = False
    for place, word in enumerate(words):
        first = (
            place == 0
            or words[place - 1] in OPERATORS | {"("}
            or re.fullmatch(r"[A-Z_]+=.*", words[place - 1])
        )
        if word in OPERATORS | {"<", ">", ">&", "(", ")", "$("}:
            taking = False
        elif first and Path(word).name == "pilothouse":
            calls.append([])
            taking = True
        elif taking:
            calls[-1].append(word)
    return calls


def fault(words: list[str]) -> str:
    """What the command line would say against the words; empty where nothing."""
    context = click.Context(cli, info_name="pilothouse", obj=Session(None, None, False))
    command: click.Command = cli
    rest = list(words)
    try:
        while True:
            context = command.make_context(command.name or "pilothouse", rest, parent=context)
            if not isinstance(command, click.Group) or not context._protected_args:
                return ""
            _, found, rest = command.resolve_command(context, [*context._protected_args, *context.args])
            assert found is not None
            command = found
    except click.exceptions.Exit:
        return ""
    except click.MissingParameter as error:
        return error.format_message()
    except click.BadParameter as error:
        # a file of the example is not here, which says nothing against the command
        return "" if "does not exist" in error.message else error.format_message()
    except click.UsageError as error:
        return error.format_message()


SHOWN = [(page.relative_to(ROOT), words) for page in PAGES for words in commands_shown(page)]


@pytest.mark.parametrize(
    ("page", "words"), SHOWN, ids=[f"{page.stem}: {shlex.join(words)}" for page, words in SHOWN]
)
def test_a_command_that_is_shown_exists(page, words):
    assert fault(words) == ""


def test_commands_that_do_not_exist_would_be_found():
    assert "No such command" in fault(["deploy"])
    assert "No such option" in fault(["status", "--verbose"])
    assert "Missing option '--reason'" in fault(["reject", "1"])
    assert "unexpected" in fault(["show", "a/1", "b/2"])
    assert "is not one of" in fault(["grant", "ada", "king"])


def test_every_make_target_that_is_shown_exists():
    known = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))
    shown = {
        name
        for page in PAGES
        for block in blocks(page, "console")
        for name in re.findall(r"^\$ make ([a-z-]+)", block, flags=re.MULTILINE)
    }
    assert shown <= known


def test_every_command_stands_in_the_reference_and_no_other():
    headings = re.findall(
        r"^### `([a-z -]+)`$", (DOCUMENTS / "command-line.md").read_text("utf-8"), flags=re.MULTILINE
    )
    every = [" ".join(path) for path, _ in tables_module().every_command(cli)]
    assert headings == every


def test_exit_codes_are_those_of_the_errors():
    from pilothouse.cli.commands.workspaces.workspace import EXIT_CODES, EXIT_DEAD_CHANNEL, EXIT_UNWATCHED
    from pilothouse.cli.failures import INTERNAL_ERROR
    from pilothouse.domain.errors import PilothouseError

    family, todo = set(), [PilothouseError]
    while todo:
        kind = todo.pop()
        family.add(kind.exit_code)
        todo += kind.__subclasses__()
    text = (DOCUMENTS / "command-line.md").read_text("utf-8")
    documented = {int(code) for code in re.findall(r"^\| (\d+) \|", text, flags=re.MULTILINE)}
    others = {0, *EXIT_CODES.values(), EXIT_UNWATCHED, EXIT_DEAD_CHANNEL, INTERNAL_ERROR, 130}
    assert documented == family | others


def test_the_command_for_wrappers_does_what_the_page_says(tmp_path):
    from pilothouse.cli import group
    from pilothouse.composition import open_workspace
    from pilothouse.operations.workspace import workspaces
    from pilothouse.system.workspace_place import os_user

    (shown,) = [
        words
        for words in commands_shown(DOCUMENTS / "command-line.md")
        if words[2:] == ["wrapper", "trust", "mlops"]
    ]
    workspaces.initialise(tmp_path, os_user())
    group.run(["-w", str(tmp_path), *shown[2:]])
    services = open_workspace(tmp_path)
    try:
        assert workspaces.identify(services, "mlops", "petra").name == "petra"
    finally:
        services.close()


@pytest.mark.parametrize("option", ["--as", "--at", "--workspace"])
def test_options_of_the_whole_program_stand_before_the_command(option):
    assert fault([option, "elsewhere", "status"]) == ""
    assert "No such option" in fault(["status", option, "elsewhere"])
