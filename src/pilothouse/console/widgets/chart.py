"""A picture on the line API: a headline, and below it the drawing that the drawing thread made.

Only cells that changed are painted again: a chart that moves on by one window costs some hundred bytes, and one that did not
change costs none.
"""

from collections.abc import Iterator
from functools import lru_cache

from rich.segment import Segment
from textual import events
from textual.geometry import Region
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from pilothouse.console.session.drawing import Drawings, Key
from pilothouse.console.widgets.tones import STYLES
from pilothouse.presentation.cell import Cell, Tone
from pilothouse.presentation.charts.braille import Drawing, Runs
from pilothouse.presentation.charts.chart import Chart, Picture, readout
from pilothouse.presentation.width import clip, display_width

_CURSOR = "│"


class ChartView(Widget):
    """Shows a picture. The old drawing stays until the new one is there: nothing flickers or waits."""

    ALLOW_SELECT = False

    class Drawn(Message):
        """A drawing is finished."""

        def __init__(self, key: Key, drawing: Drawing) -> None:
            super().__init__()
            self.key = key
            self.drawing = drawing

    def __init__(self, drawings: Drawings, *, id: str | None = None) -> None:  # noqa: A002 - the name that Textual uses
        super().__init__(id=id)
        self._drawings = drawings
        self._picture: Picture | None = None
        self._wanted: Key | None = None
        self._shown: Key | None = None
        self._drawing = Drawing(())
        self._head: Runs = ()
        self._cursor: float | None = None

    @property
    def settled(self) -> bool:
        """True when the requested drawing is on the screen."""
        return self._shown == self._wanted

    @property
    def picture(self) -> Picture | None:
        """The picture that is shown, or about to be."""
        return self._picture

    def put(self, picture: Picture) -> None:
        """Show another picture; an equal one paints nothing."""
        if picture != self._picture:
            self._picture = picture
            self._update()

    def put_cursor(self, at: float | None) -> None:
        """Put the cursor at a time, or take it away (None): a line through the picture, with its figures as the headline."""
        if at == self._cursor:
            return
        before, self._cursor = self._column, at
        columns = {column for column in (before, self._column) if column >= 0}
        height = max(0, self.size.height - 1)
        for column in columns:
            self.refresh(Region(column, 1, 1, height))
        self._put_head()

    def on_resize(self, event: events.Resize) -> None:
        self._update()

    def _update(self) -> None:
        if self._picture is None or self.size.height < 2:
            return
        key = (self._picture, self.size.width, self.size.height - 1)
        self._wanted = key
        drawn = self._drawings.get(key)
        if drawn is not None:
            self._show(drawn)
        else:
            self._drawings.request(key, self._announce)

    def _announce(self, key: Key, drawing: Drawing) -> None:
        """Called in the drawing thread: it may only post."""
        self.post_message(self.Drawn(key, drawing))

    def on_chart_view_drawn(self, message: Drawn) -> None:
        """Show the drawing if it is still the requested one."""
        message.stop()
        if message.key == self._wanted:
            self._show(message.drawing)

    def _show(self, drawing: Drawing) -> None:
        before, self._drawing = self._drawing, drawing
        resized = self._shown is None or self._wanted is None or self._shown[1:] != self._wanted[1:]
        self._shown = self._wanted
        self._put_head()
        if resized or drawing.left != before.left:
            self.refresh()
            return
        for y, (old, new) in enumerate(zip(before.lines, drawing.lines, strict=False), start=1):
            if old != new:
                first, last = _changed(old, new, self.size.width)
                self.refresh(Region(first, y, last - first, 1))

    @property
    def _column(self) -> int:
        return self._drawing.column_of(self._cursor) if self._cursor is not None else -1

    def _put_head(self) -> None:
        if self._picture is None:
            return
        headline = self._picture.headline
        if self._cursor is not None and isinstance(self._picture, Chart) and self._column >= 0:
            headline = readout(self._picture, self._cursor)
        head = (Cell(f" {self._picture.title}  ", "strong"), headline)
        if head != self._head:
            self._head = head
            self.refresh(Region(0, 0, self.size.width, 1))

    def render_line(self, y: int) -> Strip:
        """The headline, or a line of the drawing with the cursor through it."""
        width = self.size.width
        if y == 0:
            strip = Strip(_clipped(self._head, width)).adjust_cell_length(width)
        elif y - 1 < len(self._drawing.lines):
            strip = _strip(self._drawing.lines[y - 1], width)
        else:
            return Strip.blank(width)
        column = self._column
        if y > 0 and 0 <= column < width:
            cursor = Strip([Segment(_CURSOR, STYLES["strong"])], 1)
            strip = Strip.join([strip.crop(0, column), cursor, strip.crop(column + 1, width)])
        return strip


@lru_cache(maxsize=1_024)
def _strip(runs: Runs, width: int) -> Strip:
    """A line as a strip. Cached: Textual keeps its measurements with a strip, and most lines come again."""
    return Strip([Segment(cell.text, STYLES[cell.tone]) for cell in runs]).adjust_cell_length(width)


def _clipped(cells: Runs, width: int) -> Iterator[Segment]:
    for cell in cells:
        text = cell.text if display_width(cell.text) <= width else clip(cell.text, width)
        width -= display_width(text)
        yield Segment(text, STYLES[cell.tone])


def _changed(old: Runs, new: Runs, width: int) -> tuple[int, int]:
    """First and one past the last column in which two lines differ; all columns where one of them has a wide letter."""
    (a, tones_a), (b, tones_b) = _columns(old), _columns(new)
    if len(a) != len(b) or display_width(a) != len(a) or display_width(b) != len(b):
        return 0, width
    differing = [
        i
        for i, pair in enumerate(zip(a, b, tones_a, tones_b, strict=True))
        if pair[0] != pair[1] or pair[2] != pair[3]
    ]
    return (differing[0], differing[-1] + 1) if differing else (0, width)


def _columns(runs: Runs) -> tuple[str, list[Tone]]:
    """The letters of a line, and the tone of each."""
    tones: list[Tone] = []
    for cell in runs:
        tones += [cell.tone] * len(cell.text)
    return "".join([cell.text for cell in runs]), tones
