"""A log of any length on the line API: it knows the number of lines and fetches only those that are visible."""

from collections.abc import Callable

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.binding import Binding
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from pilothouse.console.widgets.tones import STYLES
from pilothouse.domain.formats.safe_text import LINE_LIMIT, safe
from pilothouse.presentation.documents import text_line, wrap
from pilothouse.presentation.width import clip, display_width

Read = Callable[[int, int], list[str]]
"""(first line, count) to the lines."""
_AROUND = 256
"""Lines read beyond the visible ones, so that scrolling seldom reads."""
_MATCH = Style(reverse=True)


class LogView(Widget, can_focus=True):
    """Lines, wrapped or cut; ``follow`` keeps the newest visible."""

    ALLOW_SELECT = False
    BINDINGS = [
        Binding("up,k", "move(-1)", show=False),
        Binding("down,j", "move(1)", show=False),
        Binding("pageup", "page(-1)", show=False),
        Binding("pagedown,space", "page(1)", show=False),
        Binding("home,g", "move(-1000000000)", show=False),
        Binding("end,G", "move(1000000000)", show=False),
        Binding("left,h", "shift(-16)", show=False),
        Binding("right,l", "shift(16)", show=False),
    ]

    class Moved(Message):
        """Other lines are visible."""

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002 - the name that Textual uses
        super().__init__(id=id)
        self._read: Read = lambda first, count: []
        self._count = 0
        self._cache: tuple[int, list[str]] = (0, [])
        self._rows: list[tuple[int, str]] = []
        self.top = 0
        self.at = 0
        """The line that a search went to last, or the first visible one."""
        self.column = 0
        self.follow = True
        self.ended = False
        """Whether no line will be added any more."""
        self.wrap = False
        self.sought = ""
        """The text searched for; its matches are reversed, whatever their case."""

    def put(self, read: Read, count: int, *, ended: bool = False) -> None:
        """Show ``count`` lines; the last one may have grown, unless the job has ``ended``."""
        self._read = read
        if ended != self.ended:
            self.ended = ended
            self.refresh()
        if count != self._count or self.follow:
            self._count, self._cache = count, (0, [])
            self._show()

    def go_to(self, line: int) -> None:
        """Show a line in the upper third."""
        self.follow, self.at = False, line
        self.top = max(0, min(line - self.size.height // 3, self._count - 1))
        self._show()

    def set_wrap(self, wrap_lines: bool) -> None:
        self.wrap, self.column = wrap_lines, 0
        self._show()

    @property
    def visible_range(self) -> str:
        """The visible lines as a text: ``lines 12–34 of 1,000,000``."""
        if not self._count:
            return "no line" if self.ended else "no line yet"
        last = self._rows[-1][0] + 1 if self._rows else self.top + 1
        return f"lines {self.top + 1:,}–{last:,} of {self._count:,}"

    def action_move(self, lines: int) -> None:
        self.follow = self.follow and lines >= 0
        self.top = self.at = max(0, min(self.top + lines, self._last_top()))
        self._show()

    def action_page(self, pages: int) -> None:
        """Move by the visible lines, less one."""
        visible = len({number for number, _ in self._rows})
        self.action_move(pages * max(1, visible - 1))

    def action_shift(self, columns: int) -> None:
        """Move sideways along lines that are cut."""
        self.follow = False
        self.column = 0 if self.wrap else max(0, min(self.column + columns, LINE_LIMIT))
        self._show()

    def on_resize(self, event: events.Resize) -> None:
        self._show()

    def _lines(self, first: int, count: int) -> list[str]:
        count = min(count, self._count - first)
        start, lines = self._cache
        if not start <= first or first + count > start + len(lines):
            start = max(0, first - _AROUND)
            lines = [safe(text.expandtabs(8), LINE_LIMIT) for text in self._read(start, count + 2 * _AROUND)]
            self._cache = (start, lines)
        return lines[first - start : first - start + count]

    def _last_top(self) -> int:
        """The first line of the last screenful."""
        height = max(1, self.size.height)
        if not self.wrap:
            return max(0, self._count - height)
        top, used = self._count, 0
        for text in reversed(self._lines(max(0, self._count - height), height)):
            used += len(self._pieces(text))
            if used > height:
                break
            top -= 1
        return max(0, min(top, self._count - 1))

    def _pieces(self, text: str) -> list[str]:
        if not self.wrap:
            return [text]
        width = max(8, self.size.width - 2)
        return ["".join(cell.text for cell in piece.cells) for piece in wrap(text_line(text, hang=2), width)]

    def _show(self) -> None:
        height = self.size.height
        if not height:
            return
        if self.follow:
            self.top = self._last_top()
        rows: list[tuple[int, str]] = []
        for number, text in enumerate(self._lines(self.top, height), start=self.top):
            rows += [(number, piece) for piece in self._pieces(text)]
            if len(rows) >= height:
                break
        rows = rows[:height]
        if rows != self._rows or self.sought:
            self._rows = rows
            self.refresh()
        self.post_message(self.Moved())

    def render_line(self, y: int) -> Strip:
        """One visible line, with the matches of the search reversed."""
        width = self.size.width
        if y >= len(self._rows):
            text = ""
            if not self._rows and y == 0:
                text = " no log is kept here" if self.ended else " nothing was printed yet"
            return Strip([Segment(clip(text, width), STYLES["dim"])]).adjust_cell_length(width)
        text = self._rows[y][1]
        if self.column:
            text = text[self.column :]
        segments = [Segment(" "), *self._highlit(text)]
        if display_width(text) > width - 1 and not self.wrap:
            segments = [*Strip(segments).crop(0, width - 1), Segment("›", STYLES["dim"])]
        return Strip(segments).adjust_cell_length(width)

    def _highlit(self, text: str) -> list[Segment]:
        base = STYLES["info"] if text.startswith("── ") else STYLES[""]
        wanted = self.sought.casefold()
        folded = text.casefold()
        if not wanted or len(folded) != len(text) or wanted not in folded:
            return [Segment(text, base)]
        segments, start = [], 0
        while (at := folded.find(wanted, start)) >= 0:
            segments += [Segment(text[start:at], base), Segment(text[at : at + len(wanted)], _MATCH)]
            start = at + len(wanted)
        return [*segments, Segment(text[start:], base)]
