"""A table on the line API: only what is visible is drawn, the cursor stays on its row's key through changes."""

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.binding import Binding
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from pilothouse.console.widgets.tones import CURSOR, HEADER, STYLES
from pilothouse.presentation.tables import Row, Table, clip, fit_columns

_GAP = 2


class Grid(ScrollView, can_focus=True):
    """A list with a cursor. ``put`` replaces the table; equal tables paint nothing."""

    ALLOW_SELECT = False
    BINDINGS = [
        Binding("up,k", "move(-1)", show=False),
        Binding("down,j", "move(1)", show=False),
        Binding("pageup", "page(-1)", show=False),
        Binding("pagedown", "page(1)", show=False),
        Binding("home,g", "move(-1000000)", show=False),
        Binding("end,G", "move(1000000)", show=False),
    ]

    class Moved(Message):
        """The cursor is on another row."""

    class Chosen(Message):
        """A row was clicked twice or Enter was pressed on it by a screen without an action of its own."""

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002 - the name that Textual uses
        super().__init__(id=id)
        self._table: Table | None = None
        self._rows: tuple[Row, ...] = ()
        self._columns: list[tuple[int, int]] = []
        self._filter = ""
        self.cursor = 0

    @property
    def key(self) -> str | None:
        """The key of the row under the cursor."""
        return self._rows[self.cursor].key if self._rows else None

    @property
    def shown(self) -> int:
        """How many rows the filter lets through."""
        return len(self._rows)

    def put(self, table: Table) -> None:
        """Show another state of the table; the cursor stays with its row where that still exists."""
        if table != self._table:
            self._table = table
            self._apply()

    def set_filter(self, text: str) -> None:
        """Show only rows in which a cell holds ``text``; upper and lower case are the same."""
        self._filter = text.casefold()
        self._apply()

    def select(self, key: str) -> None:
        """Put the cursor on the row with that key, if it is there."""
        for index, row in enumerate(self._rows):
            if row.key == key:
                self._go(index)

    def _apply(self) -> None:
        if self._table is None:
            return
        before = self.key
        self._rows = tuple(row for row in self._table.rows if self._matches(row))
        keys = [row.key for row in self._rows]
        self.cursor = keys.index(before) if before in keys else max(0, min(self.cursor, len(keys) - 1))
        self._fit()
        self.post_message(self.Moved())

    def _matches(self, row: Row) -> bool:
        return not self._filter or any(self._filter in cell.text.casefold() for cell in row.cells)

    def _fit(self) -> None:
        if self._table is None:
            return
        width = max(1, self.size.width - 2)
        shown = Table(self._table.columns, self._rows, self._table.empty)
        self._columns = fit_columns(shown, width, gap=_GAP)
        self.virtual_size = Size(self.size.width, len(self._rows) + 1)
        self.refresh()

    def on_resize(self, event: events.Resize) -> None:
        """Columns give way or come back."""
        self._fit()

    def action_move(self, steps: int) -> None:
        """Move the cursor."""
        self._go(self.cursor + steps)

    def action_page(self, pages: int) -> None:
        """Move the cursor by what is visible."""
        self._go(self.cursor + pages * max(1, self.size.height - 2))

    def _go(self, index: int) -> None:
        index = max(0, min(index, len(self._rows) - 1))
        if index != self.cursor and self._rows:
            self.cursor = index
            self.scroll_to_region(Region(0, index, 1, 2), animate=False, force=True)
            self.refresh()
            self.post_message(self.Moved())

    def on_click(self, event: events.Click) -> None:
        """A mouse is never needed; where there is one, it moves the cursor, and a second click opens."""
        index = int(self.scroll_offset.y) + event.y - 1
        if event.y > 0 and 0 <= index < len(self._rows):
            if index == self.cursor and event.chain > 1:
                self.post_message(self.Chosen())
            self._go(index)

    def render_line(self, y: int) -> Strip:
        """One visible line: the titles, a row, or what to do where there is no row."""
        width = self.size.width
        if self._table is None:
            return Strip.blank(width)
        if not self._rows:
            words = (
                self._table.empty
                if not self._filter
                else f"no row holds “{self._filter}”; Esc clears the filter"
            )
            return self._strip([(words if y == 1 else "", STYLES["dim"])], width)
        if y == 0:
            titles = [
                (clip(self._table.columns[i].title, w, self._table.columns[i].align), HEADER)
                for i, w in self._columns
            ]
            return self._strip(titles, width)
        index = int(self.scroll_offset.y) + y - 1
        if index >= len(self._rows):
            return Strip.blank(width)
        row = self._rows[index]
        current = index == self.cursor and self.has_focus
        cells = [
            (
                clip(row.cells[i].text, w, self._table.columns[i].align),
                CURSOR if current else STYLES[row.cells[i].tone],
            )
            for i, w in self._columns
        ]
        return self._strip(cells, width, CURSOR if current else None)

    def _strip(self, cells: list[tuple[str, Style]], width: int, gap_style: Style | None = None) -> Strip:
        segments = [Segment(" ", gap_style)]
        for i, (text, style) in enumerate(cells):
            if i:
                segments.append(Segment(" " * _GAP, gap_style))
            segments.append(Segment(text, style))
        return Strip(segments).adjust_cell_length(width, gap_style)

    def on_focus(self) -> None:
        """The cursor shows where keys go."""
        self.refresh()

    def on_blur(self) -> None:
        """And hides where they do not."""
        self.refresh()
