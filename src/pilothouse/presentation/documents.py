"""Texts as values: lines of toned cells with a hanging indent."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pilothouse.domain.formats.safe_text import LINE_LIMIT, safe
from pilothouse.presentation.cell import Cell, Tone
from pilothouse.presentation.width import clip, display_width


@dataclass(frozen=True, slots=True)
class Line:
    """Cells beside each other. A line that is too long for the screen continues below, ``hang`` columns in."""

    cells: tuple[Cell, ...] = ()
    hang: int = 0


BLANK = Line()


def text_line(text: str, tone: Tone = "", hang: int = 0) -> Line:
    """A line of text, made safe."""
    return Line((Cell(safe(text, LINE_LIMIT), tone),), hang)


def plain_text(lines: Iterable[Line]) -> str:
    """Lines as text, without what stands blank at their ends."""
    return "\n".join("".join(cell.text for cell in line.cells).rstrip() for line in lines)


def heading(text: str) -> Line:
    return text_line(text.upper(), "info")


def section(title: str, lines: Iterable[Line]) -> list[Line]:
    """A title, its lines and a blank one; nothing where there are no lines."""
    body = list(lines)
    return [heading(title), *body, BLANK] if body else []


def pairs(rows: Iterable[tuple[str, object]], tones: "dict[str, Tone] | None" = None) -> list[Line]:
    """``name  value`` lines with the values in one column."""
    shown = [(safe(name), safe(str(value), LINE_LIMIT)) for name, value in rows]
    width = min(28, max((display_width(name) for name, _ in shown), default=0))
    return [
        Line((Cell(clip(name, width) + "  ", "dim"), Cell(value, (tones or {}).get(name, ""))), width + 2)
        for name, value in shown
    ]


def aligned(rows: Iterable[Sequence[Cell]], *, widest: int = 32) -> list[Line]:
    """Rows of cells with aligned columns. The last cell of a row may have any length, and continues under its own start."""
    table = [tuple(row) for row in rows]
    if not table:
        return []
    count = max(len(row) for row in table)
    widths = [
        min(widest, max((display_width(row[i].text) for row in table if i < len(row) - 1), default=0))
        for i in range(count)
    ]
    lines = []
    for row in table:
        cells = [Cell(clip(cell.text, widths[i]) + "  ", cell.tone) for i, cell in enumerate(row[:-1])]
        lines.append(Line((*cells, row[-1]), sum(display_width(cell.text) for cell in cells)))
    return lines


def wrap(line: Line, width: int) -> list[Line]:
    """The line in lines of at most ``width`` columns, broken at spaces where there are any."""
    if sum(display_width(cell.text) for cell in line.cells) <= width:
        return [line]
    hang = line.hang if line.hang <= width // 2 else 2
    pieces: list[list[Cell]] = [[]]
    used = 0
    for cell in line.cells:
        text = cell.text
        while text:
            room = width - used
            fits, columns = _fitting(text, room)
            if fits == len(text):
                pieces[-1].append(Cell(text, cell.tone))
                used += columns
                break
            head = _head(text, fits, at_start=used <= hang)
            if head:
                pieces[-1].append(Cell(text[:head].rstrip(), cell.tone))
            text = text[head:].lstrip() if head else text
            pieces.append([Cell(" " * hang)])
            used = hang
    return [Line(tuple(piece), line.hang) for piece in pieces]


def hung(text: str, width: int, hang: int = 2) -> list[str]:
    """A text in lines of at most ``width`` columns, broken between words, the later ones indented by ``hang``.

    A word that no line has room for stays whole where it is, for a path or a digest is copied from the terminal.
    """
    if display_width(text) <= width:
        return [text]
    first, *words = text.split(" ")
    lines = [first]
    for word in words:
        fresh = " " * hang + word
        if display_width(f"{lines[-1]} {word}") <= width or display_width(fresh) > width:
            lines[-1] += f" {word}"
        else:
            lines.append(fresh)
    return [line.rstrip() for line in lines]


_BRANCH = re.compile(r"(?:│  |   )*(?:├─ |└─ )?")


def hung_branch(line: str, width: int) -> list[str]:
    """A line of a tree that is drawn with lines, broken between words; its branches go on beside what follows."""
    found = _BRANCH.match(line)
    branch = found[0] if found else ""
    first, *more = hung(line[len(branch) :], max(width - len(branch), width // 2))
    beside = branch.replace("├─", "│ ").replace("└─", "  ")
    return [branch + first, *(beside + part for part in more)]


def _fitting(text: str, room: int) -> tuple[int, int]:
    """The number of characters of ``text`` that fit in ``room`` columns, and the columns they take."""
    if text.isascii():
        fits = max(0, min(len(text), room))
        return fits, fits
    columns = 0
    for fits, character in enumerate(text):
        wider = columns + display_width(character)
        if wider > room:
            return fits, columns
        columns = wider
    return len(text), columns


def _head(text: str, fits: int, *, at_start: bool) -> int:
    """The position of the break in a text of which ``fits`` characters fit: a space, or within a word at a line's start."""
    space = text.rfind(" ", 0, fits + 1)
    if space > 0:
        return space
    return max(1, fits) if at_start else 0
