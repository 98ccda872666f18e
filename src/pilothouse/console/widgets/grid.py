"""A table on the line API: only visible rows are drawn, the cursor stays on its row's key through changes.

A table may be a window of a longer list (``Table.total``). Then the grid is as high as the list, the view filters and sorts
it (``Sorted``), and loads rows beyond the window (``Edge``).
"""

from dataclasses import replace
from textwrap import wrap

from rich.style import Style
from textual import events
from textual.binding import Binding
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from pilothouse.console.widgets.grid_lines import (
    GAP,
    from_column,
    row_line,
    text_strip,
    title_of,
    titles_line,
)
from pilothouse.console.widgets.tones import CURSOR
from pilothouse.domain.listing import RowFilter, parse_filter
from pilothouse.presentation.tables.sorting import column_name, empty_text, passing_rows, sort_letters
from pilothouse.presentation.tables.table import Row, Table, fit_columns

_MARGIN = 60
"""Rows before the end of a window at which the next one is loaded."""
_WIDEST = 120


class Grid(ScrollView, can_focus=True):
    """A list with a cursor. ``put`` replaces the table; an equal table paints nothing."""

    ALLOW_SELECT = False
    BINDINGS = [
        Binding("up,k", "move(-1)", show=False),
        Binding("down,j", "move(1)", show=False),
        Binding("pageup", "page(-1)", show=False),
        Binding("pagedown", "page(1)", show=False),
        Binding("home,g", "move(-100000000)", show=False),
        Binding("end,G", "move(100000000)", show=False),
        Binding("left", "sideways(-1)", show=False),
        Binding("right", "sideways(1)", show=False),
    ]

    class Moved(Message):
        """The cursor is on another row."""

    class Chosen(Message):
        """A row was clicked twice, or Enter was pressed on it in a view without an action of its own."""

    class Edge(Message):
        """Rows beyond the window are needed: around the cursor, the last (``end``) or the first (``start``)."""

        def __init__(self, where: str) -> None:
            super().__init__()
            self.where = where

    class Sorted(Message):
        """Another order of a longer list was chosen; ``column`` is empty for the list's own."""

        def __init__(self, column: str, descending: bool) -> None:
            super().__init__()
            self.column = column
            self.descending = descending

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002 - the name that Textual uses
        super().__init__(id=id)
        self._table: Table | None = None
        self._rows: tuple[Row, ...] = ()
        self._columns: list[tuple[int, int]] = []
        self._filter = RowFilter()
        self._filter_text = ""
        self._first = 0
        self._wanted = ""
        self._from_top = False
        """Whether the next rows begin at the top, since order or filter changed; a move of the cursor ends it."""
        self._strips: dict[tuple[int, bool, bool, int], Strip] = {}
        """Drawn rows by index, whether the cursor is on it, whether it is marked, and horizontal offset."""
        self.cursor = 0
        self.expects_news = False
        """Whether the next table is a newer state of the same list, so that new rows in it are news."""
        self.newer = 0
        """Rows that have come above the cursor since the user was there."""
        self._counted = 0
        """Rows of the list when it was shown last."""
        self.sort = ""
        """The title of the column that the rows are sorted by; empty for the table's own order."""
        self.descending = False
        self.unhealthy = False
        self.in_past = ""
        self.wide = False
        self.none_unhealthy = "nothing here is unhealthy"
        """The text in place of rows where only unhealthy ones are shown and there is none."""
        self.marked: set[str] = set()
        self.taken: frozenset[str] = frozenset()
        """Letters that are keys of the view; they sort no column."""

    @property
    def key(self) -> str | None:
        """The key of the row under the cursor."""
        return self._rows[self.cursor].key if self._rows else None

    @property
    def shown(self) -> int:
        """The number of rows that pass the filter."""
        return self._total

    @property
    def paged(self) -> bool:
        """Whether the table is a window of a longer list."""
        return self._table is not None and self._table.total is not None

    @property
    def _total(self) -> int:
        if self._table is not None and self._table.total is not None:
            return max(self._table.total, self._first + len(self._rows))
        return len(self._rows)

    def put(self, table: Table) -> None:
        """Show another state of the table. The cursor stays with its row where that still exists; at the top of the list it
        stays at the top when new rows come."""
        if table != self._table:
            self._table = table
            self._apply()

    def set_filter(self, text: str) -> None:
        """Show only rows that pass; a longer list is filtered in SQL."""
        narrower = text != self._filter_text and bool(text)
        self._filter_text = text
        self._filter = parse_filter(text)
        if narrower:
            self.begin_at_top()
        self._apply()
        if not narrower:  # rows have come in above the one that the cursor is on
            self.scroll_to_region(Region(0, self._first + self.cursor, 1, 2), animate=False, force=True)

    def select(self, key: str) -> None:
        """Put the cursor on the row with that key, if it exists."""
        for index, row in enumerate(self._rows):
            if row.key == key:
                self._go(index)

    def toggle_mark(self) -> None:
        """Mark the row, or remove its mark, and go to the next."""
        if self.key is not None:
            self.marked ^= {self.key}
            self.refresh()
            self._go(self.cursor + 1)

    def clear_marks(self) -> bool:
        """Remove all marks; False where there were none."""
        had, self.marked = bool(self.marked), set()
        if had:
            self.refresh()
        return had

    def toggle_wide(self) -> None:
        """Show every column whole, or what fits."""
        self.wide = not self.wide
        self.scroll_to(x=0, animate=False)
        self._fit()

    def toggle_unhealthy(self) -> None:
        """Show only rows in which a cell warns, or all."""
        self.unhealthy = not self.unhealthy
        self.begin_at_top()
        self._apply()

    def begin_at_top(self) -> None:
        """Put the cursor on the first row of the list that comes next."""
        self._go(0)
        self._from_top = True

    def sort_letters(self) -> dict[str, int]:
        """Capital letters and their columns."""
        return {} if self._table is None else sort_letters(self._table, self.taken)

    def sort_by(self, letter: str) -> bool:
        """Sort by the column of a letter: rising, then falling, then the table's own order. False: no such column."""
        index = self.sort_letters().get(letter)
        if index is None or self._table is None:
            return False
        title = self._table.columns[index].title
        if self.sort != title:
            self.sort, self.descending = title, False
        elif not self.descending:
            self.descending = True
        else:
            self.sort, self.descending = "", False
        self.begin_at_top()
        if self.paged:
            self._fit()
            self.post_message(self.Sorted(column_name(self.sort), self.descending))
        else:
            self._apply()
        return True

    def forget_sort(self) -> None:
        """Return to the table's own order."""
        self.sort, self.descending = "", False
        self._fit()

    def _apply(self) -> None:
        if self._table is None:
            return
        before, position, known = self.key, self._first + self.cursor, {row.key for row in self._rows}
        self._first = self._table.first
        self._rows = self._table.rows if self.paged else self._passing()
        keys = [row.key for row in self._rows]
        follows = position == 0 and self.expects_news and bool(keys) and keys[0] not in known
        if self._from_top or self._wanted in ("start", "end"):
            self.cursor = max(0, len(keys) - 1) if self._wanted == "end" else 0
        elif before in keys and not (follows and self._first == 0):
            self.cursor = keys.index(before)
        else:
            self.cursor = max(0, min(position - self._first, len(keys) - 1))
        self._count_news(before, position, known)
        self._counted = self._total
        wanted, self._wanted, self._from_top = self._wanted or self._from_top, "", False
        self._fit()
        moved = self._first + self.cursor - position
        if follows and self._first > 0:  # the new rows are above this window
            self._wanted = "start"
            self.post_message(self.Edge("start"))
        if wanted:
            self.scroll_to_region(Region(0, self._first + self.cursor, 1, 2), animate=False, force=True)
        elif moved and before == self.key and (self.paged or self.expects_news):
            # rows came in above: the visible ones stay where they are
            self.scroll_to(y=max(0, self.scroll_offset.y + moved), animate=False, force=True)
        if self.marked and not self.paged:
            self.marked &= {row.key for row in self._table.rows}
        self.post_message(self.Moved())

    def _count_news(self, before: str | None, position: int, known: set[str]) -> None:
        """Count the rows that have come above the cursor; ``before`` and ``position`` are those of the cursor until now. A row
        that was there and stands above now, since the order has changed, is none."""
        if not self.expects_news or before is None or before != self.key:
            self.newer = 0 if not self.expects_news else min(self.newer, self._first + self.cursor)
        elif self.paged:
            came = min(self._first + self.cursor - position, self._total - self._counted)
            self.newer += max(0, came)
        else:
            self.newer += sum(row.key not in known for row in self._rows[: self.cursor])

    def _passing(self) -> tuple[Row, ...]:
        assert self._table is not None
        return passing_rows(
            self._table, self._filter, self.sort, descending=self.descending, unhealthy=self.unhealthy
        )

    def _fit(self) -> None:
        self._strips.clear()
        if self._table is None:
            return
        width = max(1, self.size.width - 2)
        columns = tuple(
            replace(column, title=title_of(column, self.sort, descending=self.descending))
            for column in self._table.columns
        )
        shown = Table(columns, self._rows, self._table.empty)
        self._columns = fit_columns(shown, _WIDEST * len(shown.columns) if self.wide else width, gap=GAP)
        across = sum(w for _, w in self._columns) + GAP * len(self._columns) if self.wide else 0
        self.virtual_size = Size(max(self.size.width, across), self._total + 1)
        self.refresh()

    def on_resize(self, event: events.Resize) -> None:
        self._fit()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Sideways only where the table is wider than the screen: else the view has those keys."""
        return action != "sideways" or (self.wide and self.virtual_size.width > self.size.width)

    def action_sideways(self, steps: int) -> None:
        self.scroll_to(
            x=self.scroll_offset.x + steps * max(8, self.size.width // 3), animate=False, force=True
        )

    def action_move(self, steps: int) -> None:
        self._go(self.cursor + steps)

    def action_page(self, pages: int) -> None:
        self._go(self.cursor + pages * max(1, self.size.height - 2))

    def _go(self, index: int) -> None:
        self._from_top = False
        if not self._rows:
            return
        if self.paged:
            self._ask_beyond(index)
        index = max(0, min(index, len(self._rows) - 1))
        if index != self.cursor:
            before, self.cursor = self.cursor, index
            self.newer = min(self.newer, self._first + index)
            if self.scroll_to_region(Region(0, self._first + index, 1, 2), animate=False, force=True):
                self.refresh()  # every line is another one
            else:
                self._refresh_rows(before, index)
            self.post_message(self.Moved())

    def _refresh_rows(self, *indices: int) -> None:
        top = int(self.scroll_offset.y)
        for index in indices:
            self.refresh(Region(0, self._first + index + 1 - top, self.size.width, 1))

    def _ask_beyond(self, index: int) -> None:
        """Ask for rows where the cursor comes near the end of the window, or goes to an end of the list."""
        below = self._total - self._first - len(self._rows)
        if self._first + index <= -_MARGIN and self._first > 0:
            self._wanted = "start"
            self.post_message(self.Edge("start"))
        elif index >= len(self._rows) + 1_000 and below > 0:
            self._wanted = "end"
            self.post_message(self.Edge("end"))
        elif (index < _MARGIN and self._first > 0) or (index >= len(self._rows) - _MARGIN and below > 0):
            self.post_message(self.Edge("here"))

    def _on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        event.stop()
        self.action_move(3)

    def _on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        event.stop()
        self.action_move(-3)

    def on_key(self, event: events.Key) -> None:
        if (
            len(event.key) == 1
            and event.key.isupper()
            and event.key not in self.taken
            and self.sort_by(event.key)
        ):
            event.stop()
            event.prevent_default()

    def on_click(self, event: events.Click) -> None:
        """Move the cursor; a second click opens. A mouse is never needed."""
        index = int(self.scroll_offset.y) + event.y - 1 - self._first
        if event.y > 0 and 0 <= index < len(self._rows):
            if index == self.cursor and event.chain > 1:
                self.post_message(self.Chosen())
            self._go(index)

    def render_line(self, y: int) -> Strip:
        """One visible line: the titles, a row, or the text in place of rows."""
        width = self.size.width
        if self._table is None:
            return Strip.blank(width)
        if not self._rows:
            lines = wrap(self._nothing(), max(10, width - 2))
            return self._visible(text_strip(lines[y - 1] if 0 < y <= len(lines) else ""))
        if y == 0:
            letters = {i: letter for letter, i in self.sort_letters().items()} if self.has_focus else {}
            columns = self._table.columns
            return self._visible(
                titles_line(columns, self._columns, letters, self.sort, descending=self.descending)
            )
        index = int(self.scroll_offset.y) + y - 1 - self._first
        if not 0 <= index < len(self._rows):
            return Strip.blank(width)
        current = index == self.cursor and self.has_focus
        marked = self._rows[index].key in self.marked
        drawn = (index, current, marked, int(self.scroll_offset.x))
        if drawn not in self._strips:
            row = self._rows[index]
            line = row_line(self._table.columns, self._columns, row, current=current, marked=marked)
            self._strips[drawn] = self._visible(line, CURSOR if current else None)
        return self._strips[drawn]

    def _visible(self, line: Strip, style: Style | None = None) -> Strip:
        return from_column(line, int(self.scroll_offset.x), self.size.width, style)

    def _nothing(self) -> str:
        assert self._table is not None
        if self._filter:
            return empty_text(self._table, self._filter, self._filter_text)
        if self.unhealthy:
            return f"{self.none_unhealthy}; ^z shows everything"
        return self._table.past or self.in_past or self._table.empty

    def put_past(self, text: str) -> None:
        """Set the text in place of rows in the past; empty for the table's own, which is about the present."""
        if text != self.in_past:
            self.in_past = text
            self.refresh()

    def on_focus(self) -> None:
        self.refresh()

    def on_blur(self) -> None:
        self.refresh()
