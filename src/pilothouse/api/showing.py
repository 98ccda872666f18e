"""Tables of values in a notebook: HTML without scripts, styles of a page, or anything that is fetched.

Every text is made safe and escaped. Colours are those of the page around it, so that light and dark pages both show them.
"""

from collections.abc import Iterable, Sequence
from html import escape
from typing import Any, ClassVar

from pilothouse.domain.formats.safe_text import safe

_LONGEST = 500
_CELL = 'style="text-align:left;padding:2px 10px;vertical-align:top"'
MOST_ROWS = 200
"""Rows of a table that are shown; how many more there are is said."""


class Shown:
    """A value that notebooks show as HTML, and everything else as text."""

    __slots__ = ()
    _ROW: ClassVar[tuple[str, ...]] = ()
    """Names of the fields that the table of a list has as columns."""

    def _html(self) -> str:
        raise NotImplementedError

    def _repr_html_(self) -> str:
        """The value as HTML."""
        return self._html()

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        """The value as plain text and as HTML, for front ends that choose."""
        bundle = {"text/plain": repr(self), "text/html": self._html()}
        wanted = set(include or bundle) - set(exclude or ())
        return {kind: text for kind, text in bundle.items() if kind in wanted}


def table_html(caption: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table of texts; nothing where it has no rows."""
    found = list(rows)
    if not found:
        return ""
    lines = ["<table>"]
    if caption:
        lines.append(f'<caption style="text-align:left;font-weight:bold">{_text(caption)}</caption>')
    if columns:
        lines.append("<tr>" + "".join(f"<th {_CELL}>{_text(title)}</th>" for title in columns) + "</tr>")
    lines += [
        "<tr>" + "".join(f"<td {_CELL}>{_text(cell)}</td>" for cell in row) + "</tr>"
        for row in found[:MOST_ROWS]
    ]
    if len(found) > MOST_ROWS:
        lines.append(f"<tr><td {_CELL}>and {len(found) - MOST_ROWS:,} more</td></tr>")
    return "\n".join([*lines, "</table>\n"])


def _text(value: object) -> str:
    return escape(safe(str(value), _LONGEST))
