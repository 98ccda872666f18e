"""Cells, the parts of which tables and texts consist. The module imports no domain record, which keeps the first frame fast."""

from dataclasses import dataclass
from typing import Literal

from pilothouse.domain.formats.safe_text import safe
from pilothouse.presentation.texts import ABSENT

Tone = Literal["", "good", "warn", "bad", "info", "dim", "strong"]


@dataclass(frozen=True, slots=True)
class Cell:
    """A piece of text. ``text`` is safe; ``tone`` is a hint and never the only carrier of a meaning."""

    text: str
    tone: Tone = ""


def cell(value: object, tone: Tone = "") -> Cell:
    """Any value as a safe cell; None and the empty string as a dash."""
    text = safe(str(value)) if value is not None and value != "" else ABSENT
    return Cell(text, "dim" if text == ABSENT and not tone else tone)
