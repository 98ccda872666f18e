"""The lines of a grid as strips: titles, rows, texts; cropped where the table is wider than the screen."""

from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from pilothouse.console.widgets.tones import CURSOR, HEADER, SORTABLE, SORTED, STYLES
from pilothouse.presentation.tables.table import Column, Row
from pilothouse.presentation.width import clip

GAP = 2
"""Blanks between two columns."""

Fitted = list[tuple[int, int]]
"""The columns that are shown: index in the table, and width."""


def title_of(column: Column, sort: str, *, descending: bool) -> str:
    """The title, with an arrow where the rows are sorted by the column."""
    arrow = "↓" if descending else "↑"
    return f"{column.title}{arrow}" if sort and column.title == sort else column.title


def titles_line(
    columns: tuple[Column, ...], fitted: Fitted, letters: dict[int, str], sort: str, *, descending: bool
) -> Strip:
    """The titles. The letter that sorts is underlined; an arrow stands at the column that the rows are sorted by."""
    segments = [Segment(" ")]
    for position, (i, width) in enumerate(fitted):
        column = columns[i]
        text = clip(title_of(column, sort, descending=descending), width, column.align)
        style = SORTED if column.title == sort else HEADER
        at = text.upper().find(letters[i]) if i in letters else -1
        if position:
            segments.append(Segment(" " * GAP))
        if at < 0:
            segments.append(Segment(text, style))
        else:
            segments += [
                Segment(text[:at], style), Segment(text[at], SORTABLE), Segment(text[at + 1 :], style),
            ]  # fmt: skip
    return Strip(segments)


def row_line(columns: tuple[Column, ...], fitted: Fitted, row: Row, *, current: bool, marked: bool) -> Strip:
    """A row, in one colour under the cursor (``current``), with a star where it is ``marked``."""
    gap = CURSOR if current else None
    segments = [Segment("*" if marked else " ", gap or (STYLES["strong"] if marked else None))]
    for position, (i, width) in enumerate(fitted):
        cell = row.cells[i]
        if position:
            segments.append(Segment(" " * GAP, gap))
        segments.append(
            Segment(clip(cell.text, width, columns[i].align), CURSOR if current else STYLES[cell.tone])
        )
    return Strip(segments)


def text_strip(text: str) -> Strip:
    """A line of the text in place of rows."""
    return Strip([Segment(" "), Segment(text, STYLES["dim"])])


def from_column(strip: Strip, start: int, width: int, style: Style | None = None) -> Strip:
    """The visible part of a line, from a screen column on."""
    return (strip.crop(start, start + width) if start else strip).adjust_cell_length(width, style)
