"""The board: a tile for each site, and a cursor that moves from tile to tile."""

from collections.abc import Sequence
from datetime import UTC, datetime

from rich.text import Text
from textual import events
from textual.binding import Binding
from textual.message import Message
from textual.widgets import Static

from pilothouse.console.widgets.tones import CURSOR, STYLES
from pilothouse.domain.formats.safe_text import safe
from pilothouse.domain.sites.readings import Reading, Standing
from pilothouse.presentation.site_tiles import HEIGHT, columns_for, tile


class Board(Static, can_focus=True):
    """Tiles, as many as there is room for; further ones are reached by moving down."""

    ALLOW_SELECT = False
    BINDINGS = [
        Binding("left,h", "move(-1, 0)", show=False),
        Binding("right,l", "move(1, 0)", show=False),
        Binding("up,k", "move(0, -1)", show=False),
        Binding("down,j", "move(0, 1)", show=False),
        Binding("home,g", "move(-100000, 0)", show=False),
        Binding("end,G", "move(100000, 0)", show=False),
    ]

    class Moved(Message):
        """The cursor is on another tile."""

    class Chosen(Message):
        """A tile was clicked twice."""

    def __init__(self) -> None:
        super().__init__(markup=False, id="board")
        self._readings: Sequence[Reading] = ()
        self._empty = ""
        self._stays = False
        """Whether the cursor stays on its site. Until every site was asked or somebody moved it, it is at the first tile."""
        self._top = 0
        self.cursor = 0

    @property
    def reading(self) -> Reading | None:
        """The site under the cursor."""
        return self._readings[self.cursor] if self._readings else None

    def put(self, readings: Sequence[Reading], empty: str = "") -> None:
        """Show the newest readings, ``empty`` where there is none. The cursor stays on its site wherever that stands."""
        before = self.reading.site if self.reading is not None and self._stays else None
        self._readings, self._empty = readings, empty
        self._stays |= all(one.standing is not Standing.UNKNOWN for one in readings)
        names = [one.site for one in readings]
        if before in names:
            self.cursor = names.index(before)
        self.cursor = max(0, min(self.cursor, len(names) - 1))
        self._paint()

    @property
    def _columns(self) -> int:
        return columns_for(len(self._readings), self.size.width, self.size.height)

    def _paint(self) -> None:
        if not self.size.width:
            return
        if not self._readings:
            self.update(safe(self._empty), layout=False)
            return
        columns, now = self._columns, datetime.now(UTC)
        width = self.size.width // columns
        rows = max(1, self.size.height // HEIGHT)
        here = self.cursor // columns
        self._top = max(min(self._top, here), here - rows + 1)
        text = Text(no_wrap=True, end="")
        for row in range(self._top, min(self._top + rows, -(-len(self._readings) // columns))):
            numbers = range(row * columns, min((row + 1) * columns, len(self._readings)))
            tiles = [(number, tile(self._readings[number], width - 1, now)) for number in numbers]
            for part in range(HEIGHT):
                for number, lines in tiles:
                    is_here = number == self.cursor and self.has_focus
                    for cell in lines[part]:
                        text.append(cell.text, CURSOR if is_here else STYLES[cell.tone])
                    text.append(" ")
                text.append("\n")
        self.update(text, layout=False)

    def action_move(self, across: int, down: int) -> None:
        wanted = self.cursor + across + down * self._columns
        if down and not 0 <= wanted < len(self._readings):
            return
        self.cursor, self._stays = max(0, min(wanted, len(self._readings) - 1)), True
        self._paint()
        self.post_message(self.Moved())

    def on_click(self, event: events.Click) -> None:
        """Move the cursor; a second click opens. A mouse is never needed."""
        columns = self._columns
        column = event.x // (self.size.width // columns)
        number = (self._top + event.y // HEIGHT) * columns + column
        if column < columns and 0 <= number < len(self._readings):
            if number == self.cursor and event.chain > 1:
                self.post_message(self.Chosen())
            self.cursor, self._stays = number, True
            self._paint()
            self.post_message(self.Moved())

    def on_resize(self) -> None:
        self._paint()

    def on_focus(self) -> None:
        self._paint()

    def on_blur(self) -> None:
        self._paint()
