"""Tones as terminal styles. The built-in skins use the sixteen colours of the reader's own palette, nothing else."""

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
"""Each tone's style; a state is a word or a glyph as well, so none of them carries a meaning alone."""

STYLES: dict[Tone, Style] = {tone: Style.parse(words) for tone, words in SKINS["dark"].items()}
CURSOR = Style(reverse=True)
HEADER = Style(bold=True, dim=True)
SORTABLE = Style(bold=True, dim=True, underline=True)
SORTED = Style(bold=True)


def use_skin(skin: Mapping[Tone, str]) -> None:
    """Let every screen of this process wear another skin; a tone that it leaves out stays as it is in ``dark``."""
    for tone, words in {**SKINS["dark"], **skin}.items():
        STYLES[tone] = Style.parse(words)


def line(*cells: Cell) -> Text:
    """Safe cells as one Text: no markup is read."""
    text = Text(no_wrap=True, overflow="ellipsis", end="")
    for cell in cells:
        text.append(cell.text, STYLES[cell.tone])
    return text
