"""The one thread that draws charts: plotext keeps a single figure for the process and dies if two threads use it."""

from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from pilothouse.presentation.charts import Chart

Key: TypeAlias = "tuple[Chart, int, int, bool]"
_KEPT = 64

_thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="charts")
"""One for the process, whatever the number of consoles in it: the figure is the process's too."""


class Drawings:
    """Charts as text, drawn when asked for and kept by (chart, size, colour)."""

    def __init__(self) -> None:
        self._kept: OrderedDict[Key, str] = OrderedDict()

    def get(self, key: Key) -> str | None:
        """The drawing, if it was made already."""
        return self._kept.get(key)

    def request(self, key: Key, done: Callable[[Key, str], None]) -> None:
        """Draw in the drawing thread and call ``done`` there; it must only post a message."""

        def finished(future: Future[str]) -> None:
            if future.cancelled():
                return
            error = future.exception()
            text = future.result() if error is None else f"this chart cannot be drawn: {error}"
            self._kept[key] = text
            while len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
            done(key, text)

        _thread.submit(_draw, key).add_done_callback(finished)


def _draw(key: Key) -> str:
    from pilothouse.presentation.plotting import draw

    chart, width, height, colour = key
    return draw(chart, width, height, colour=colour)
