"""Filters and sort orders of a table. The order is parsed from the texts of the cells: numbers, versions, durations, words."""

import re
from dataclasses import replace

from pilothouse.domain.listing import RowFilter, bare, unknown_column
from pilothouse.presentation.tables.table import Row, Table
from pilothouse.presentation.texts import ABSENT

_NUMBER = re.compile(r"[v+]?([−-]?[\d,]*\.?\d+)\s*(%|s|m|h|d|B|kB|MB|GB|ms)?\b( ago)?.*")
_UNITS = {"s": 1.0, "m": 60.0, "h": 3_600.0, "d": 86_400.0, "kB": 1e3, "MB": 1e6, "GB": 1e9}
_UNWELL = ("bad", "warn")
_TIME = re.compile(r"\d{4}-\d\d-\d\d")


def sorted_rows(table: Table, column: int, *, descending: bool) -> tuple[Row, ...]:
    """The rows by a column; equal ones stay in their order, and rows with an empty cell there come last."""
    if table.columns[column].ranked:
        return table.rows if descending else table.rows[::-1]
    keys = [(sort_key(row.cells[column].text), row) for row in table.rows]
    valued = sorted(
        ((key, row) for key, row in keys if key is not None), key=lambda pair: pair[0], reverse=descending
    )
    return (*(row for _, row in valued), *(row for key, row in keys if key is None))


def sort_key(text: str) -> tuple[int, float, str] | None:
    """The sort key of a cell's text: numbers by value, the rest by letter; None for an empty cell."""
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
    """The name of a column in filters: the first word of its title, in lower case; ``by`` of one that ends so."""
    words = title.casefold().split() or [""]
    return "by" if words[-1] == "by" else re.sub(r"[^a-z0-9_]", "", words[0])


def empty_text(table: Table, row_filter: RowFilter, typed: str) -> str:
    """Why no row passes the filter that was ``typed``: none does, or it asks for what does not exist."""
    return f"{_filter_fault(table, row_filter) or f'no row passes /{typed[:60]}'}; Esc clears the filter"


def _filter_fault(table: Table, row_filter: RowFilter) -> str:
    """The fault of a filter that names a column which the table does not have. A list in SQL has further columns, and reports
    such a filter itself."""
    if table.total is not None or not table.rows:
        return ""
    titles = [name for name in (column_name(column.title) for column in table.columns) if name]
    names = tuple(dict.fromkeys([*titles, *(name for name, _ in table.rows[0].fields)]))
    faults = (unknown_column(predicate.column, names) for predicate in row_filter.predicates)
    return next(filter(None, faults), "")


def passing_rows(
    table: Table, row_filter: RowFilter, sort: str, *, descending: bool, unhealthy: bool
) -> tuple[Row, ...]:
    """The rows of a table that pass a filter, in the order of the column titled ``sort`` (empty: the table's own).

    ``unhealthy`` lets only rows pass in which a cell warns. Rows under a heading stay under it; a heading stays where one of
    its rows passes, and passes by itself where it is folded.
    """
    headings = tuple(row for row in table.rows if row.is_heading)
    if not headings:
        return _passing(table, row_filter, sort, descending=descending, unhealthy=unhealthy)
    lists: dict[str, list[Row]] = {row.part_of: [] for row in table.rows if not row.is_heading}
    others = replace(table, rows=tuple(row for row in table.rows if not row.is_heading))
    for row in _passing(others, row_filter, sort, descending=descending, unhealthy=unhealthy):
        lists[row.part_of].append(row)
    folded = _passing(replace(table, rows=headings), row_filter, "", descending=False, unhealthy=unhealthy)
    passing = lists.get("", [])
    for heading in headings:
        if heading.key in lists:
            passing += [heading, *lists[heading.key]] if lists[heading.key] else []
        elif heading in folded:
            passing.append(heading)
    return tuple(passing)


def _passing(
    table: Table, row_filter: RowFilter, sort: str, *, descending: bool, unhealthy: bool
) -> tuple[Row, ...]:
    titles = [column.title for column in table.columns]
    rows = table.rows
    if sort in titles:
        rows = sorted_rows(table, titles.index(sort), descending=descending)
    if unhealthy:
        rows = tuple(row for row in rows if any(cell.tone in _UNWELL for cell in row.cells))
    if not row_filter:
        return rows
    names = [column_name(title) or f"column{i}" for i, title in enumerate(titles)]
    return tuple(
        row
        for row in rows
        if row_filter.matches(
            {**dict(row.fields), **dict(zip(names, (c.text for c in row.cells), strict=True))}
        )
    )


def sort_letters(table: Table, taken: frozenset[str]) -> dict[str, int]:
    """Capital letter to column: the first letter of its title that is free; ``taken`` are the view's own keys."""
    letters: dict[str, int] = {}
    for index, column in enumerate(table.columns):
        if not column.ordered:
            continue
        free = (c for c in column.title.upper() if c.isascii() and c.isalpha() and c != "G")
        letter = next((c for c in free if c not in letters and c not in taken), None)
        if letter is not None:
            letters[letter] = index
    return letters
