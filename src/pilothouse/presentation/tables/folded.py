"""A table for a terminal that is narrower than it: cells go on below in their column, broken between words."""

from collections.abc import Sequence

from pilothouse.presentation.cell import Cell
from pilothouse.presentation.documents import Line, wrap
from pilothouse.presentation.tables.table import Table
from pilothouse.presentation.width import clip, display_width

_GAP = 2
_LEAST = 8
"""Columns that the text of a block has at least."""
_PROSE = 16
"""Columns below which a text is read at one glance, and not broken."""
_WORD = 20
"""Columns up to which a word is never broken."""


def folded_lines(table: Table, width: int) -> list[str]:
    """The whole table in lines of at most ``width`` columns; where columns have no room, or a short cell would be broken, a row
    is a block of ``title  value`` lines."""
    titles = [column.title for column in table.columns]
    texts = [[cell.text for cell in row.cells] for row in table.rows]
    wanted = [max(map(display_width, column)) for column in zip(titles, *texts, strict=True)]
    room = width - _GAP * (len(titles) - 1)
    least = [_least(column) for column in zip(titles, *texts, strict=True)]
    if sum(least) > room:
        return _blocks(titles, texts, width)
    widths = list(wanted)
    while sum(widths) > room:  # the widest gives way, a column at a time
        widest = max((i for i in range(len(widths)) if widths[i] > least[i]), key=widths.__getitem__)
        widths[widest] -= 1
    longest = [max(map(display_width, column), default=0) for column in zip(*texts, strict=True)]
    if any(have < min(need, _PROSE) for have, need in zip(widths, longest, strict=True)):
        return _blocks(titles, texts, width)
    aligns = [column.align for column in table.columns]
    return [line for row in [titles, *texts] for line in _folded(row, widths, aligns)]


def _least(column: Sequence[str]) -> int:
    """Width below which a column's words would be broken, but for very long ones."""
    title, *texts = column
    word = max((display_width(word) for text in texts for word in text.split()), default=0)
    return max([*map(display_width, title.split()), min(word, _WORD), 1])


def _folded(row: Sequence[str], widths: Sequence[int], aligns: Sequence[str]) -> list[str]:
    cells = [_parts(text, width) for text, width in zip(row, widths, strict=True)]
    lines = []
    for number in range(max(map(len, cells))):
        parts = [cell[number] if number < len(cell) else "" for cell in cells]
        shown = [clip(part, width, align) for part, width, align in zip(parts, widths, aligns, strict=True)]
        lines.append((" " * _GAP).join(shown).rstrip())
    return lines


def _parts(text: str, width: int) -> list[str]:
    """The text in pieces of at most so many columns, broken at spaces where there are any."""
    return ["".join(cell.text for cell in piece.cells).rstrip() for piece in wrap(Line((Cell(text),)), width)]


def _blocks(titles: Sequence[str], texts: Sequence[Sequence[str]], width: int) -> list[str]:
    name = max(map(display_width, titles)) + _GAP
    lines: list[str] = []
    for row in texts:
        lines += [""] if lines else []
        for title, text in zip(titles, row, strict=True):
            if not text.strip():
                continue
            first, *more = _parts(text.strip(), max(_LEAST, width - name))
            lines.append(clip(title, name) + first)
            lines += [" " * name + part for part in more]
    return lines
