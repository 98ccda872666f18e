"""The tables of keys, commands and permissions in the documents are what the program has."""

import re

import pytest
from documents import DOCUMENTS, tables_module

from pilothouse.console.session.actions import ACTIONS
from pilothouse.domain.identity.roles import PERMISSIONS, Permission, Role

PAGES = sorted(DOCUMENTS.glob("*.md"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_table_is_as_the_program_gives_it(page):
    text = page.read_text("utf-8")
    assert tables_module().filled(text) == text, "run make docs"


def test_the_words_that_shells_complete_are_those_of_the_commands():
    tables = tables_module()
    assert tables.WORDS.read_text("utf-8") == tables.words_text(), "run make docs"


def test_no_table_is_left_out():
    named = [
        name for page in PAGES for name in re.findall(r"<!-- table: ([a-z-]+) -->", page.read_text("utf-8"))
    ]
    assert sorted(named) == sorted(tables_module().TABLES)


def test_every_key_stands_in_the_document():
    text = (DOCUMENTS / "console.md").read_text("utf-8")
    assert [action.help for action in ACTIONS if action.help not in text] == []


def test_permissions_are_those_of_the_roles():
    rows = [
        [cell.strip() for cell in line.strip("| \n").split(" | ")]
        for line in re.findall(r"^\| .*\|$", tables_module().permissions_table(), flags=re.MULTILINE)
    ]
    roles = rows[0][1:]
    assert set(roles) == {str(role) for role in Role}
    lines = (DOCUMENTS / "security.md").read_text("utf-8").splitlines()
    for permission in Permission:
        line = next(line for line in lines if line.startswith(f"| {permission} |"))
        cells = [cell.strip() for cell in line.split("|")[2:-1]]
        held = {role for role, cell in zip(roles, cells, strict=True) if cell == "yes"}
        assert held == {str(role) for role in Role if permission in PERMISSIONS[role]}
