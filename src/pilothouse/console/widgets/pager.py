"""A text to read on the line API, wrapped to the screen; only visible lines are drawn."""

from collections.abc import Sequence

from rich.segment import Segment
from textual import events
from textual.binding import Binding
from textual.geometry import Size
from textual.scroll_view import ScrollView
from textual.strip import Strip

from pilothouse.console.widgets.tones import STYLES
from pilothouse.domain.listing import RowFilter, parse_filter
from pilothouse.presentation.documents import Line, plain_text, wrap


class Pager(ScrollView, can_focus=True):
    """Lines of cells. ``put`` replaces them."""

    ALLOW_SELECT = False
    BINDINGS = [
        Binding("up,k", "scroll(-1)", show=False),
        Binding("down,j", "scroll(1)", show=False),
        Binding("pageup", "page(-1)", show=False),
        Binding("pagedown,space", "page(1)", show=False),
        Binding("home,g", "scroll(-1000000)", show=False),
        Binding("end,G", "scroll(1000000)", show=False),
    ]

    def __init__(self, *, id: str) -> None:  # noqa: A002 - the name that Textual uses
        super().__init__(id=id)
        self._source: list[Line] = []
        self._lines: list[Line] = []
        self._filter = RowFilter()

    @property
    def text(self) -> str:
        """The whole text, unwrapped."""
        return plain_text(self._source)

    def put(self, lines: Sequence[Line]) -> None:
        """Show other lines; equal ones paint nothing."""
        if list(lines) != self._source:
            self._source = list(lines)
            self._layout_lines()

    def set_filter(self, text: str) -> None:
        """Show only lines that pass: ``text``, ``!text`` or ``-f letters``, as in tables."""
        self._filter = parse_filter(text)
        self._layout_lines()

    def _layout_lines(self) -> None:
        width = max(10, self.size.width - 2)
        self._lines = [
            part
            for line in self._source
            if not self._filter or self._filter.matches({"line": "".join(cell.text for cell in line.cells)})
            for part in wrap(line, width)
        ]
        self.virtual_size = Size(self.size.width, len(self._lines))
        self.refresh()

    def on_resize(self, event: events.Resize) -> None:
        self._layout_lines()

    def action_scroll(self, lines: int) -> None:
        self.scroll_to(y=self.scroll_offset.y + lines, animate=False)

    def action_page(self, pages: int) -> None:
        """Move by the visible lines, less one."""
        self.action_scroll(pages * max(1, self.size.height - 1))

    def render_line(self, y: int) -> Strip:
        index = int(self.scroll_offset.y) + y
        if index >= len(self._lines):
            return Strip.blank(self.size.width)
        segments = [Segment(" ")]
        segments += [Segment(cell.text, STYLES[cell.tone]) for cell in self._lines[index].cells]
        return Strip(segments).adjust_cell_length(self.size.width)
