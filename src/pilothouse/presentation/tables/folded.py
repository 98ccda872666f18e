"""A table for a terminal that is narrower than it: columns of dashes go, then cells go on below in their column, broken between
words; else each row is one line of columns with the rest below it, and a row alone is a block."""

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
_NOTHING = frozenset({"", "–"})
"""Cells that say nothing where room lacks."""
_INDENT = 2


def folded_lines(table: Table, width: int) -> list[str]:
    """The table in lines of at most ``width`` columns, without columns in which no row says anything.

    Where columns have no room, or a short cell would be broken, those that fit stand side by side and the others below each row
    as ``TITLE value``; a row alone is a block of such lines.
    """
    columns = [
        (column, [row.cells[i].text for row in table.rows])
        for i, column in enumerate(table.columns)
        if i == 0 or any(row.cells[i].text.strip() not in _NOTHING for row in table.rows)
    ]
    titles = [column.title for column, _ in columns]
    aligns = [column.align for column, _ in columns]
    texts = [list(row) for row in zip(*(of_column for _, of_column in columns), strict=True)]
    wanted = [max(map(display_width, column)) for column in zip(titles, *texts, strict=True)]
    widths = _folded_widths(titles, texts, wanted, width)
    if widths:
        return [line for row in [titles, *texts] for line in _folded(row, widths, aligns)]
    beside = _beside(wanted, width) if len(texts) > 1 else []
    if len(beside) < 2:
        return _blocks(titles, texts, width)
    below = [i for i in range(len(titles)) if i not in beside]
    lines = []
    for row in [titles, *texts]:
        cells = [clip(row[i], wanted[i], aligns[i]) for i in beside]
        lines.append((" " * _GAP).join(cells).rstrip())
        if row is not titles:
            lines += _below([(titles[i], row[i].strip()) for i in below], width)
    return lines


def _folded_widths(
    titles: Sequence[str], texts: Sequence[Sequence[str]], wanted: Sequence[int], width: int
) -> list[int]:
    """Widths of columns whose cells go on below; none where that breaks a short cell."""
    room = width - _GAP * (len(titles) - 1)
    least = [_least(column) for column in zip(titles, *texts, strict=True)]
    if sum(least) > room:
        return []
    widths = list(wanted)
    while sum(widths) > room:  # the widest gives way, a column at a time
        widest = max((i for i in range(len(widths)) if widths[i] > least[i]), key=widths.__getitem__)
        widths[widest] -= 1
    longest = [max(map(display_width, column), default=0) for column in zip(*texts, strict=True)]
    if any(have < min(need, _PROSE) for have, need in zip(widths, longest, strict=True)):
        return []
    return widths


def _beside(wanted: Sequence[int], width: int) -> list[int]:
    """Columns that stand side by side: in their order those that have room whole, no text among them."""
    chosen: list[int] = []
    room = width
    for i, need in enumerate(wanted):
        if need <= min(room, width // 3):
            chosen.append(i)
            room -= need + _GAP
    return chosen


def _below(pairs: Sequence[tuple[str, str]], width: int) -> list[str]:
    """What has no column, below its row: as many to a line as have room whole, and a text from a line's start."""
    lines: list[str] = []
    indent = " " * _INDENT
    for title, text in pairs:
        if text in _NOTHING:
            continue
        piece = f"{title} {text}".strip()
        if lines and display_width(f"{lines[-1]}{' ' * _GAP}{piece}") <= width:
            lines[-1] += " " * _GAP + piece
        else:
            first, *more = _parts(piece, width - _INDENT)
            lines += [indent + first, *(indent + part for part in more)]
    return lines


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
            if text.strip() in _NOTHING:
                continue
            first, *more = _parts(text.strip(), max(_LEAST, width - name))
            lines.append(clip(title, name) + first)
            lines += [" " * name + part for part in more]
    return lines
