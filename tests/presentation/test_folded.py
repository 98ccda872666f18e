"""Tables that are wider than the terminal: cells go on below, and no word is broken that has room."""

import random

import pytest

from pilothouse.presentation.cell import Cell
from pilothouse.presentation.tables.folded import folded_lines
from pilothouse.presentation.tables.table import Column, Row, Table
from pilothouse.presentation.texts import place_once
from pilothouse.presentation.width import display_width

WORDS = (
    "approver",
    "flight-delay",
    "ewr",
    "a",
    "größer",
    "診断",
    "2026-05-03",
    "reviewed",
    "by",
    "models:/flight-delay/2",
)


def table(draw: random.Random, columns: int, rows: int) -> Table:
    def text(most: int) -> str:
        return " ".join(draw.choice(WORDS) for _ in range(draw.randrange(most)))

    return Table(
        tuple(Column(f"HEAD {i}", "right" if i % 2 else "left") for i in range(columns)),
        tuple(Row(str(n), tuple(Cell(text(4 + 3 * i)) for i in range(columns))) for n in range(rows)),
    )


@pytest.mark.parametrize("seed", range(20))
def test_nothing_is_lost_and_no_line_is_wider_than_the_terminal(seed: int) -> None:
    draw = random.Random(seed)
    given = table(draw, draw.randrange(1, 9), draw.randrange(1, 6))
    width = draw.choice((40, 80, 120))
    lines = folded_lines(given, width)
    assert max(map(display_width, lines)) <= width
    letters = sorted("".join(lines).replace(" ", ""))
    said = "".join(cell.text for row in given.rows for cell in row.cells)
    assert not set("".join(said.split())) - set(letters)
    whole = "".join(sorted("".join(said.split())))
    for letter in set(whole):
        assert letters.count(letter) >= whole.count(letter)


def test_words_that_have_room_are_whole() -> None:
    given = Table(
        (Column("NO", "right"), Column("CONDITION"), Column("BY")),
        (Row("1", (Cell("1"), Cell("reviewed after thirty days by the validator"), Cell("auditor"))),),
    )
    assert folded_lines(given, 34) == [
        "NO  CONDITION              BY",
        " 1  reviewed after thirty  auditor",
        "    days by the validator",
    ]


def test_a_table_without_room_is_a_block_a_row() -> None:
    given = Table(
        tuple(Column(f"COLUMN{i}") for i in range(12)),
        (Row("1", tuple(Cell(f"value {i}") for i in range(12))),),
    )
    lines = folded_lines(given, 60)
    assert lines[0] == "COLUMN0   value 0"
    assert len(lines) == 12


def test_a_short_cell_is_never_broken_for_room() -> None:
    state = "● completed"
    table = Table(
        (Column("STATE"), *(Column(f"C{number}") for number in range(6))),
        (Row("1", (Cell(state), *(Cell(f"word {number} here") for number in range(6)))),),
    )
    lines = folded_lines(table, 80)
    assert f"STATE  {state}" in lines
    assert all(f"word {number} here" in "\n".join(lines) for number in range(6))


def test_status_names_a_place_once() -> None:
    assert place_once("crm: auc 0.69 on crm, reference 0.77") == "crm: auc 0.69, reference 0.77"
    assert place_once("2 targets: auc fell on crm") == "2 targets: auc fell on crm"
    assert place_once("") == ""
