"""Tables as values: columns, rows with a key, and the widths with which the columns fit a screen."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeVar

from pilothouse.presentation.cell import Cell
from pilothouse.presentation.width import clip, display_width

R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Column:
    """A column. ``shrink`` may be cut (not below ``keep`` while another column can go, never below ``least``); the highest
    ``drop`` goes first where room lacks."""

    title: str
    align: Literal["left", "right"] = "left"
    least: int = 4
    shrink: bool = False
    drop: int = 0
    ranked: bool = False
    """The rows come in the order of this column, the greatest first, which its texts do not say."""
    keep: int = 0
    ordered: bool = True
    """Whether the rows may be sorted by it."""


_SPEC = re.compile(r"(>?)(.*?)(?: ~(\d+)(?:-(\d+))?)?(?: !(\d+))?")


def read_columns(*specs: str) -> tuple[Column, ...]:
    """``">LIVE"`` right-aligned; ``"MODEL ~10"`` may shrink to 10, ``"MODEL ~10-20"`` to 20 while others can go, then
    to 10; ``"OWNER ~8 !2"`` may also go, second last."""
    columns = []
    for spec in specs:
        right, title, least, keep, drop = _SPEC.fullmatch(spec).groups()  # type: ignore[union-attr]
        align: Literal["left", "right"] = "right" if right else "left"
        columns.append(
            Column(title, align, int(least or 1), least is not None, int(drop or 0), keep=int(keep or 0))
        )
    return tuple(columns)


@dataclass(frozen=True, slots=True)
class Row:
    """A row and the key by which the cursor finds it again after a change. ``fields`` are further columns, by name, that a
    filter may ask for and no cell shows."""

    key: str
    cells: tuple[Cell, ...]
    fields: tuple[tuple[str, str], ...] = ()
    part_of: str = ""
    """Key of the heading that it stands under; empty for a row of its own, and for a heading."""
    is_heading: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """Columns and rows. ``empty`` says what to do where there is no row; ``past`` says why there is none in the past, where
    that has a reason of its own.

    Where ``total`` is given the rows are a window of a longer list that is filtered and sorted in SQL, and ``first`` is the
    position of the first of them in it.
    """

    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    empty: str = "nothing here yet"
    past: str = ""
    first: int = 0
    total: int | None = None


def table_of(
    records: Iterable[R],
    columns: Mapping[str, Callable[[R], Cell]],
    *,
    key: Callable[[R], object],
    empty: str,
    unordered: Iterable[str] = (),
    fields: Callable[[R], tuple[tuple[str, str], ...]] = lambda _: (),
) -> Table:
    """A row for each record: ``columns`` maps what ``read_columns`` reads to the cell of a record.

    The rows cannot be sorted by the columns titled as in ``unordered``.
    """
    shown = (replace(c, ordered=c.title not in unordered) for c in read_columns(*columns))
    rows = (Row(str(key(r)), tuple(cell_of(r) for cell_of in columns.values()), fields(r)) for r in records)
    return Table(tuple(shown), tuple(rows), empty)


_LEAST = 3
"""Columns of text below which a cut cell says nothing."""


def fit_columns(table: Table, width: int, *, gap: int = 2) -> list[tuple[int, int]]:
    """(column index, width) of the columns to show within ``width``: shrinking ones give way first, then columns go."""
    natural = [
        max(
            column.least if table.rows else 0,
            display_width(column.title),
            *(display_width(row.cells[i].text) for row in table.rows),
        )
        if table.rows
        else display_width(column.title)
        for i, column in enumerate(table.columns)
    ]
    shown = list(range(len(table.columns)))
    while True:
        spare = width - sum(natural[i] for i in shown) - gap * (len(shown) - 1)
        if spare >= 0:
            return [(i, natural[i]) for i in shown]
        last = not any(table.columns[i].drop for i in shown)
        floors = {i: _floor(table.columns[i], natural[i], last=last) for i in shown}
        if sum(floors.values()) + gap * (len(shown) - 1) <= width:
            return _shrink(shown, natural, floors, -spare)
        dropped = max(shown, key=lambda i: (table.columns[i].drop, i))
        if last:
            return _cut(_shrink(shown, natural, floors, -spare), width, gap)
        shown.remove(dropped)


def _floor(column: Column, natural: int, *, last: bool) -> int:
    least = column.least if last else max(column.least, column.keep)
    return min(natural, max(least, display_width(column.title))) if column.shrink else natural


def _shrink(
    shown: Sequence[int], natural: Sequence[int], floors: dict[int, int], lack: int
) -> list[tuple[int, int]]:
    """The columns narrowed by ``lack`` in all, one step at a time, the widest that may still shrink first."""
    widths = {i: natural[i] for i in shown}
    for _ in range(lack):
        shrinkable = [i for i in shown if widths[i] > floors[i]]
        if not shrinkable:
            break
        widths[max(shrinkable, key=lambda i: (widths[i], i))] -= 1
    return [(i, widths[i]) for i in shown]


def _cut(columns: list[tuple[int, int]], width: int, gap: int) -> list[tuple[int, int]]:
    """The columns that begin within ``width``, the last one as wide as the room that is left."""
    fitting: list[tuple[int, int]] = []
    for index, own in columns:
        room = width - sum(w + gap for _, w in fitting)
        if room < min(own, _LEAST) and fitting:
            break
        fitting.append((index, min(own, max(1, room))))
    return fitting


def plain_lines(table: Table, width: int, *, gap: int = 2) -> list[str]:
    """The table as lines of text, for a screen without colour or a file."""
    if not table.rows:
        return [table.empty]
    columns = [(i, w, table.columns[i].align) for i, w in fit_columns(table, width, gap=gap)]
    titles = [column.title for column in table.columns]
    texts = [titles, *([cell.text for cell in row.cells] for row in table.rows)]
    return [(" " * gap).join(clip(line[i], w, align) for i, w, align in columns).rstrip() for line in texts]
