"""Tables as values: columns that know how to give way, rows with a key, and the widths that fit a screen."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from pilothouse.presentation.cell import Cell
from pilothouse.presentation.width import clip, display_width


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


def without_order(columns: Iterable[Column], *titles: str) -> tuple[Column, ...]:
    """The columns, those of these titles as such that rows cannot be sorted by: the list has no order of them."""
    return tuple(replace(column, ordered=column.ordered and column.title not in titles) for column in columns)


@dataclass(frozen=True, slots=True)
class Row:
    """A row and the key by which the cursor finds it again after a change. ``fields`` are further columns, by name, that a
    filter may ask for and no cell shows."""

    key: str
    cells: tuple[Cell, ...]
    fields: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Table:
    """Columns and rows; ``empty`` says what to do where there is none, ``past`` why there is none in the past where that has
    a reason of its own.

    Where ``total`` is given the rows are a window of a longer list that is filtered and sorted in SQL, and ``first`` is the
    place of the first of them in it.
    """

    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    empty: str = "nothing here yet"
    past: str = ""
    first: int = 0
    total: int | None = None


_LEAST = 3
"""Columns of text below which a cell that is cut says nothing."""


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
    """Take ``lack`` columns off, one by one from whichever is widest of those that may give."""
    widths = {i: natural[i] for i in shown}
    for _ in range(lack):
        giving = [i for i in shown if widths[i] > floors[i]]
        if not giving:
            break
        widths[max(giving, key=lambda i: (widths[i], i))] -= 1
    return [(i, widths[i]) for i in shown]


def _cut(columns: list[tuple[int, int]], width: int, gap: int) -> list[tuple[int, int]]:
    """The columns that begin within ``width``, the last one as wide as there is room for: what is cut ends with an ellipsis."""
    found: list[tuple[int, int]] = []
    for index, own in columns:
        room = width - sum(w + gap for _, w in found)
        if room < min(own, _LEAST) and found:
            break
        found.append((index, min(own, max(1, room))))
    return found


def plain_lines(table: Table, width: int, *, gap: int = 2) -> list[str]:
    """The table as lines of text, for a screen without colour or a file."""
    columns = fit_columns(table, width, gap=gap)
    lines = [
        (" " * gap).join(clip(table.columns[i].title, w, table.columns[i].align) for i, w in columns).rstrip()
    ]
    for row in table.rows:
        lines.append(
            (" " * gap).join(clip(row.cells[i].text, w, table.columns[i].align) for i, w in columns).rstrip()
        )
    return lines if table.rows else [table.empty]
