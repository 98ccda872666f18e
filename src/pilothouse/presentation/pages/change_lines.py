"""What a version changes of the one that was approved last before it, as lines above everything else of a request."""

from collections.abc import Iterator
from itertools import groupby

from pilothouse.domain.audit.dossier import Change, Changes
from pilothouse.domain.formats.safe_text import LINE_LIMIT, safe
from pilothouse.domain.identifiers import version_uri
from pilothouse.presentation.cells import Cell
from pilothouse.presentation.documents import Line, aligned, section, text_line
from pilothouse.presentation.texts import ABSENT, day_text

_SHOWN = {"metrics": 6, "slices": 0, "columns": 0}
"""Facts of a group that are shown; the others are counted."""
_USUAL = 4
_DIGITS_OF_A_DIGEST = 64

Row = tuple[Cell, Cell, Cell]


def change_lines(changes: Changes, model: str, number: int, *, everything: bool = False) -> list[Line]:
    """``Changes since version 1, approved 2013-06-04 by petra``: group, fact, both values; ``everything``: none is left out."""
    if changes.since is None:
        none = text_line("no version was approved before it", "dim")
        return section("Changes since the last approved version", [none])
    rows: list[Row] = []
    for group, of_group in groupby(changes.rows, key=lambda row: row.group):
        rows += _group(group, list(of_group), everything)
    approved = f"approved {day_text(changes.approved_at)} by {', '.join(changes.approved_by) or 'its policy'}"
    body = aligned(rows) or [text_line("nothing differs", "dim")]
    if not everything and rows:
        names = (safe(version_uri(model, one).removeprefix("models:/")) for one in (changes.since, number))
        body.append(text_line(f"all of it: pilothouse compare {' '.join(names)}", "dim"))
    body += [text_line(note, "dim") for note in dict.fromkeys(row.note for row in changes.rows if row.note)]
    return section(f"Changes since version {changes.since}, {approved}", body)


def _group(group: str, listed: list[Change], everything: bool) -> Iterator[Row]:
    """Rows of a group, the first with its name; of gates those first whose verdict is another."""
    if group == "gates":
        listed.sort(key=lambda row: _verdict(row.before) == _verdict(row.after))
    shown = listed
    if not everything:
        shown = listed[: _SHOWN.get(group, _USUAL)]
        if group == "gates":
            shown = [row for row in shown if _verdict(row.before) != _verdict(row.after)]
    for place, row in enumerate(shown):
        both = f"{_short(group, row.before)} → {_short(group, row.after)}"
        yield Cell(group if place == 0 else "", "dim"), Cell(safe(row.name)), Cell(both, "strong")
    if left := len(listed) - len(shown):
        figures = " in figures alone" if group == "gates" else ""
        more = f"{left} {'more ' if shown else ''}{'differs' if left == 1 else 'differ'}{figures}"
        yield Cell("" if shown else group, "dim"), Cell(""), Cell(more, "dim")


def _verdict(text: str) -> str:
    return text.partition(":")[0]


def _short(group: str, text: str) -> str:
    """The value; of a digest its beginning, of a metric without its number of rows."""
    if len(text) == _DIGITS_OF_A_DIGEST and not set(text) - set("0123456789abcdef"):
        return f"{text[:12]}…"
    if group in ("metrics", "slices"):
        text = text.partition(" of ")[0]
    return safe(text, LINE_LIMIT) or ABSENT
