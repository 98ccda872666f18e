"""Tones as terminal styles: the sixteen colours of the reader's own palette, nothing else."""

from rich.style import Style
from rich.text import Text

from pilothouse.presentation.cells import Cell, Tone

STYLES: dict[Tone, Style] = {
    "": Style(),
    "good": Style(color="green"),
    "warn": Style(color="yellow", bold=True),
    "bad": Style(color="red", bold=True),
    "info": Style(color="cyan"),
    "dim": Style(dim=True),
    "strong": Style(bold=True),
}
CURSOR = Style(reverse=True)
HEADER = Style(bold=True, dim=True)


def line(*cells: Cell) -> Text:
    """Safe cells as one Text: no markup is read."""
    text = Text(no_wrap=True, overflow="ellipsis", end="")
    for cell in cells:
        text.append(cell.text, STYLES[cell.tone])
    return text
