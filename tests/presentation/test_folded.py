"""Tables that are wider than the terminal: cells go on below, and no word is broken that has room."""

import random

import pytest

from pilothouse.presentation.cell import Cell
from pilothouse.presentation.documents import hung, hung_branch
from pilothouse.presentation.tables.folded import folded_lines
from pilothouse.presentation.tables.table import Column, Row, Table
from pilothouse.presentation.texts import place_once, without_place
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


def test_rows_without_room_are_columns_with_the_rest_below() -> None:
    given = Table(
        (Column("NO", "right"), Column("WHY"), *(Column(f"C{number}") for number in range(8))),
        tuple(
            Row(str(n), (Cell(str(n)), Cell(f"reason {n} " * 5), *(Cell(f"value {n}{i}") for i in range(8))))
            for n in range(9, 11)
        ),
    )
    assert folded_lines(given, 60) == [
        "NO  C0         C1         C2         C3         C4",
        " 9  value 90   value 91   value 92   value 93   value 94",
        "  WHY reason 9 reason 9 reason 9 reason 9 reason 9",
        "  C5 value 95  C6 value 96  C7 value 97",
        "10  value 100  value 101  value 102  value 103  value 104",
        "  WHY reason 10 reason 10 reason 10 reason 10 reason 10",
        "  C5 value 105  C6 value 106  C7 value 107",
    ]


def test_a_column_of_dashes_takes_no_room() -> None:
    columns = (Column("NO"), Column("ERROR"), Column("MESSAGE"))
    rows = tuple(
        Row(n, (Cell(n), Cell(error), Cell("taken in by the receiver")))
        for n, error in (("1", "–"), ("2", ""))
    )
    assert folded_lines(Table(columns, rows), 30) == [
        "NO  MESSAGE",
        "1   taken in by the receiver",
        "2   taken in by the receiver",
    ]


def test_a_text_breaks_between_words_and_a_long_word_stays_whole() -> None:
    assert hung("to do  one two three", 14, 7) == ["to do  one two", "       three"]
    digest = "5a" * 32
    assert hung(f"model  {digest} here", 20) == [f"model  {digest}", "  here"]
    assert hung_branch("│  ├─ run 7  by sam and pat", 19) == ["│  ├─ run 7  by sam", "│  │    and pat"]


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
    assert without_place("auc fell on ewr-2 and on ewr", "ewr") == "auc fell on ewr-2 and"
