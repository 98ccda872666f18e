"""One chart: a headline, and under it what the drawing thread made of the description."""

from rich.text import Text
from textual import events
from textual.message import Message
from textual.widget import Widget

from pilothouse.console.drawing import Drawings, Key
from pilothouse.console.widgets.tones import line
from pilothouse.presentation.cell import Cell
from pilothouse.presentation.charts import Chart


class ChartView(Widget):
    """Shows a chart. What was drawn before stays until the new drawing is there: nothing flickers or waits."""

    ALLOW_SELECT = False

    class Drawn(Message):
        """The drawing thread has finished one."""

        def __init__(self, key: Key, text: str) -> None:
            super().__init__()
            self.key = key
            self.text = text

    def __init__(self, drawings: Drawings, *, colour: bool, id: str | None = None) -> None:  # noqa: A002 - the name that Textual uses
        super().__init__(id=id)
        self._drawings = drawings
        self._colour = colour
        self._chart: Chart | None = None
        self._wanted: Key | None = None
        self._body = Text()
        self._shown: Key | None = None

    @property
    def settled(self) -> bool:
        """True when what is wanted is on the screen."""
        return self._shown == self._wanted

    def put(self, chart: Chart) -> None:
        """Show another chart; an equal one paints nothing."""
        if chart != self._chart:
            self._chart = chart
            self._update()

    def on_resize(self, event: events.Resize) -> None:
        """Another size is another drawing."""
        self._update()

    def _update(self) -> None:
        if self._chart is None or self.size.height < 2:
            return
        key = (self._chart, self.size.width, self.size.height - 1, self._colour)
        self._wanted = key
        drawn = self._drawings.get(key)
        if drawn is not None:
            self._show(drawn)
        else:
            self._drawings.request(key, self._announce)

    def _announce(self, key: Key, text: str) -> None:
        """Called in the drawing thread: posting is all it does."""
        self.post_message(self.Drawn(key, text))

    def on_chart_view_drawn(self, message: Drawn) -> None:
        """Take the drawing if it is still the one wanted."""
        message.stop()
        if message.key == self._wanted:
            self._show(message.text)

    def _show(self, drawn: str) -> None:
        self._shown = self._wanted
        self._body = Text.from_ansi(drawn, no_wrap=True)
        self.refresh()

    def render(self) -> Text:
        """Headline and drawing."""
        if self._chart is None:
            return Text()
        head = line(Cell(f" {self._chart.title}  ", "strong"), self._chart.headline)
        head.truncate(max(1, self.size.width), overflow="ellipsis")
        return Text("\n", end="").join([head, self._body])
