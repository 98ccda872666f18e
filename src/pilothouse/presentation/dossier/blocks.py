"""Blocks of a document that is read on paper: facts, tables, texts. Text in them is as it is stored; writers escape it."""

from collections.abc import Sequence
from dataclasses import dataclass

from pilothouse.presentation.charts.chart import Chart


@dataclass(frozen=True, slots=True)
class Facts:
    """Names with their values."""

    rows: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Grid:
    """Table. The columns named in ``numbers`` are aligned to the right."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numbers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Text:
    """Paragraph, or lines as they are where ``drawn``."""

    text: str
    drawn: bool = False


@dataclass(frozen=True, slots=True)
class Charts:
    """Charts below each other, drawn where the document can hold pictures."""

    rows: tuple[Chart, ...]


Block = Facts | Grid | Text | Charts


@dataclass(frozen=True, slots=True)
class Section:
    """Title, with blocks below it. ``key`` names it for links."""

    key: str
    title: str
    blocks: tuple[Block, ...]


def facts(rows: Sequence[tuple[str, object]]) -> Facts:
    """Facts that are known, in their order."""
    return Facts(tuple((name, str(value)) for name, value in rows if value not in (None, "", ())))


def section(key: str, title: str, *blocks: Block | None, empty: str = "") -> Section:
    """Section of the blocks that hold something; of the sentence ``empty`` where none does."""
    kept = tuple(one for one in blocks if one is not None and (isinstance(one, Text) or one.rows))
    return Section(key, title, kept or (Text(empty),))
