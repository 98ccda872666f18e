"""The order of a table by one of its columns, read from what the cells say: numbers, versions, spans of time, words."""

import re

from pilothouse.domain.listing import bare
from pilothouse.presentation.tables import Row, Table
from pilothouse.presentation.texts import ABSENT

_NUMBER = re.compile(r"[v+]?([−-]?[\d,]*\.?\d+)\s*(%|s|m|h|d|B|kB|MB|GB|ms)?\b( ago)?.*")
_UNITS = {"s": 1.0, "m": 60.0, "h": 3_600.0, "d": 86_400.0, "kB": 1e3, "MB": 1e6, "GB": 1e9}
_TIME = re.compile(r"\d{4}-\d\d-\d\d")


def sorted_rows(table: Table, column: int, *, descending: bool) -> tuple[Row, ...]:
    """The rows by a column; equal ones stay in their order, and rows that say nothing there come last."""
    keys = [(sort_key(row.cells[column].text), row) for row in table.rows]
    said = [pair for pair in keys if pair[0] is not None]
    said.sort(key=lambda pair: pair[0] or (2, 0.0, ""), reverse=descending)
    return (*(row for _, row in said), *(row for key, row in keys if key is None))


def sort_key(text: str) -> tuple[int, float, str] | None:
    """How a cell's text is ordered: numbers by value, the rest by letter; None where it says nothing."""
    word = bare(text)
    if not word or word == ABSENT:
        return None
    number = None if _TIME.match(word) else _NUMBER.fullmatch(text.strip("●○◌◇◆▲✖▶◐·█░ "))
    if number:
        try:
            value = float(number[1].replace(",", "").replace("−", "-"))
        except ValueError:
            return (1, 0.0, word)
        return (0, value * _UNITS.get(number[2] or "", 1.0), word)
    return (1, 0.0, word)


def column_name(title: str) -> str:
    """What a filter calls a column: the first word of its title, in lower case."""
    return re.sub(r"[^a-z0-9_]", "", (title.split() or [""])[0].casefold())
