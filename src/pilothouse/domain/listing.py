"""Query of a list: a filter, an order, and a window. Parsed once, applied to rows or in SQL.

The filter's grammar is that of the ``/`` line: ``text`` · ``!text`` · ``-f letters`` · ``column=value column!=value``.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

from pilothouse.domain.formats.wildcards import fits

T = TypeVar("T")

_PREDICATE = re.compile(r"([A-Za-z][A-Za-z0-9_]*)(!?=)(\S*)")
_GLYPHS = "●○◌◇◆▲▼✖▶◐·•? "
LONGEST_FILTER = 200
SYNONYMS = {"bu": "unit", "business_unit": "unit", "businessunit": "unit", "v": "version", "who": "by"}
"""Words that people type for a column, where its title is another."""


@dataclass(frozen=True, slots=True)
class Predicate:
    """One column's condition; ``value`` may hold ``*`` for any text. Upper and lower case are the same."""

    column: str
    value: str
    negated: bool = False

    def holds(self, text: str) -> bool:
        """True where a cell's text, without the glyph of its state, meets the condition."""
        return fits(self.value, bare(text)) is not self.negated


@dataclass(frozen=True, slots=True)
class RowFilter:
    """``kind`` is how ``text`` is meant; predicates must all hold. An empty filter lets everything through."""

    text: str = ""
    kind: Literal["holds", "lacks", "fuzzy"] = "holds"
    predicates: tuple[Predicate, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.text or self.predicates)

    def matches(self, cells: Mapping[str, str]) -> bool:
        """True where a row passes. ``cells`` are its texts by column name, in lower case; an unknown column never holds."""
        for predicate in self.predicates:
            name = find_column(predicate.column, tuple(cells))
            if name is None or not predicate.holds(cells[name]):
                return False
        if not self.text:
            return True
        if self.kind == "fuzzy":
            return any(is_fuzzy(self.text, text) for text in cells.values())
        is_in = any(self.text in text.casefold() for text in cells.values())
        return is_in is (self.kind == "holds")


@dataclass(frozen=True, slots=True)
class Query:
    """One window of a list that lies in SQL.

    The window is ``before`` rows above and ``after`` rows from ``anchor`` (a row's number) on; without an anchor it is
    the first ``after`` rows, with ``from_end`` the last. An empty ``sort`` is the list's own order, newest first.
    """

    filter: RowFilter = RowFilter()
    sort: str = ""
    descending: bool = False
    unhealthy: bool = False
    anchor: int | None = None
    from_end: bool = False
    before: int = 0
    after: int = 500
    where: tuple[tuple[str, str], ...] = ()
    """Columns that must equal a value, which define the view (``model``, ``status``)."""
    count: bool = True
    """True where the rows that pass, and those before the window, are to be counted."""


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Rows in order; ``first`` is the index of the first among all that pass, ``total`` how many pass (None: not asked)."""

    rows: tuple[T, ...]
    first: int | None = None
    total: int | None = None


def parse_filter(text: str) -> RowFilter:
    """Filter that was typed after ``/``. Any text is valid: a word that is no predicate is text to look for."""
    typed = text[:LONGEST_FILTER].strip()
    if typed.startswith("-f ") and typed[3:].strip():
        return RowFilter(typed[3:].strip().casefold(), "fuzzy")
    parts = typed.split()
    matches = [_PREDICATE.fullmatch(part) for part in parts]
    predicates = tuple(
        Predicate(match[1].casefold(), match[3].casefold(), match[2] == "!=") for match in matches if match
    )
    sought = " ".join(part for part, match in zip(parts, matches, strict=True) if not match).casefold()
    if sought.startswith("!") and len(sought) > 1:
        return RowFilter(sought[1:].strip(), "lacks", predicates)
    return RowFilter(sought if sought != "!" else "", "holds", predicates)


def find_column(typed: str, names: tuple[str, ...]) -> str | None:
    """The column that a word means: its name, a synonym, or the beginning of exactly one."""
    wanted = typed.casefold()
    if wanted in names:
        return wanted
    if SYNONYMS.get(wanted) in names:
        return SYNONYMS[wanted]
    begun = [name for name in names if name.startswith(wanted)]
    return begun[0] if len(begun) == 1 else None


def unknown_column(typed: str, names: tuple[str, ...]) -> str:
    """Message about a word that means no column, or more than one; empty where it means one."""
    if find_column(typed, names) is not None:
        return ""
    begun = [name for name in names if name.startswith(typed.casefold())]
    if begun:
        return f"{typed[:40]!r} may be more than one column here: {', '.join(begun)}"
    return f"there is no column {typed[:40]!r} here: expected {', '.join(names)}"


def is_fuzzy(letters: str, text: str) -> bool:
    """True where the letters occur in the text in their order, whatever stands between them."""
    characters = iter(text.casefold())
    return all(letter in characters for letter in letters if letter != " ")


def bare(text: str) -> str:
    """A cell's text without the glyph before its word, in lower case."""
    return text.strip(_GLYPHS).casefold()


def like(value: str) -> str:
    """The pattern of SQL's LIKE (with ``\\`` as its escape) for a value in which ``*`` stands for any text."""
    return re.sub(r"([\\%_])", r"\\\1", value).replace("*", "%")
