"""Tones as terminal styles. The built-in skins use only the sixteen colours of the user's own palette."""

from collections.abc import Mapping

from rich.style import Style
from rich.text import Text

from pilothouse.presentation.cell import Cell, Tone

SKINS: dict[str, dict[Tone, str]] = {
    "dark": {
        "": "", "good": "green", "warn": "yellow bold", "bad": "red bold", "info": "cyan", "dim": "dim", "strong": "bold",
    },
    "light": {
        "": "", "good": "green", "warn": "magenta bold", "bad": "red bold", "info": "blue", "dim": "dim", "strong": "bold",
    },
    "mono": {
        "": "", "good": "", "warn": "bold", "bad": "bold underline", "info": "", "dim": "dim", "strong": "bold",
    },
}  # fmt: skip
"""Each tone's style. A state is a word or a glyph as well, so no style carries a meaning alone."""

STYLES: dict[Tone, Style] = {tone: Style.parse(style) for tone, style in SKINS["dark"].items()}
CURSOR = Style(reverse=True)
HEADER = Style(bold=True, dim=True)
SORTABLE = Style(bold=True, dim=True, underline=True)
SORTED = Style(bold=True)


def use_skin(skin: Mapping[Tone, str]) -> None:
    """Set the skin of every screen of this process; tones that it leaves out are as in ``dark``."""
    for tone, style in {**SKINS["dark"], **skin}.items():
        STYLES[tone] = Style.parse(style)


def paragraph(*cells: Cell) -> Text:
    """Safe cells as one Text that goes on below where a line is full."""
    return Text.assemble(*((cell.text, STYLES[cell.tone]) for cell in cells))


def line(*cells: Cell) -> Text:
    """Safe cells as one Text: no markup is interpreted."""
    text = Text(no_wrap=True, overflow="ellipsis", end="")
    for cell in cells:
        text.append(cell.text, STYLES[cell.tone])
    return text
