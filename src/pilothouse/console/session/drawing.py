"""Pictures drawn in a thread of their own and cached: keys are answered at once, whatever is being drawn."""

from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING

from pilothouse.presentation.cell import Cell

if TYPE_CHECKING:
    from pilothouse.presentation.charts.braille import Drawing
    from pilothouse.presentation.charts.chart import Picture

Key = tuple["Picture", int, int]
"""A picture, and its size in columns and rows."""
_CACHE_SIZE = 64

_thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="charts")
"""One for the process, whatever the number of consoles in it: drawing never takes more than one core."""


class Drawings:
    """A cache of drawings by picture and size, filled on request."""

    def __init__(self) -> None:
        self._cache: OrderedDict[Key, Drawing] = OrderedDict()

    def get(self, key: Key) -> "Drawing | None":
        """The drawing, or None where it has not been made."""
        return self._cache.get(key)

    def request(self, key: Key, done: Callable[[Key, "Drawing"], None]) -> None:
        """Draw in the drawing thread and call ``done`` there; it must only post a message."""

        def finished(future: "Future[Drawing]") -> None:
            if future.cancelled():
                return
            error = future.exception()
            drawing = future.result() if error is None else _failed(error, key[1])
            self._cache[key] = drawing
            while len(self._cache) > _CACHE_SIZE:
                self._cache.popitem(last=False)
            done(key, drawing)

        _thread.submit(_draw, *key).add_done_callback(finished)


def _draw(picture: "Picture", width: int, height: int) -> "Drawing":
    from pilothouse.presentation.charts.braille import draw  # not before the first frame

    return draw(picture, width, height)


def _failed(error: BaseException, width: int) -> "Drawing":
    from pilothouse.presentation.charts.braille import Drawing

    message = f" internal error: this cannot be drawn: {type(error).__name__}"
    return Drawing(((Cell(message[:width].ljust(width), "bad"),),))
