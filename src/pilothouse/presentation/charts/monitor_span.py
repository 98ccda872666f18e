"""The part of the time axis that is shown: zoomed, moved, following the newest window. Seconds since 1970."""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, replace

from pilothouse.presentation.charts.chart import Point

_SMALLEST_SHARE = 1 / 64
_STEPS = 32
"""An axis that follows the newest window moves by at least a thirty-second of its length."""


def settled_span(span: Point) -> Point:
    """A little more than ``span``, with edges that stay in place while windows are added. An axis that moved with each window
    would have every chart painted anew; with this one a column is painted at the end."""
    start, end = span
    if end <= start:
        return span
    step = 60.0
    while step < (end - start) / _STEPS:
        step *= 2
    return start // step * step, -(-end // step) * step


@dataclass(frozen=True, slots=True)
class Axis:
    """``shown`` is None for the whole axis; ``following`` keeps the end at the newest window."""

    shown: Point | None = None
    following: bool = True
    cursor: float | None = None

    def span(self, whole: Point) -> Point:
        """The part of ``whole`` that is shown."""
        if self.shown is None:
            return whole
        start, end = self.shown
        if self.following:
            return max(whole[0], whole[1] - (end - start)), whole[1]
        return start, end

    def zoomed(self, whole: Point, factor: float) -> "Axis":
        """The axis with ``factor`` of its length, around the cursor (without one it keeps its end)."""
        start, end = self.span(whole)
        length = (end - start) * factor
        if length >= whole[1] - whole[0]:
            return replace(self, shown=None)
        length = max(length, (whole[1] - whole[0]) * _SMALLEST_SHARE)
        centre = self.cursor if self.cursor is not None and start <= self.cursor <= end else None
        first = end - length if centre is None else centre - length / 2
        return self._at(whole, first, length)

    def moved(self, whole: Point, share: float) -> "Axis":
        """The axis of the same length, ``share`` of it later."""
        start, end = self.span(whole)
        return self._at(whole, start + share * (end - start), end - start)

    def stepped(self, times: Sequence[float], whole: Point, steps: int) -> "Axis":
        """The axis with the cursor ``steps`` further in ``times`` (all windows, in order), moved where the cursor leaves it."""
        if not times:
            return self
        if self.cursor is None:
            start, end = self.span(whole)
            at = ([t for t in times if start <= t <= end] or times)[-1 if steps < 0 else 0]
        else:
            index = bisect_left(times, self.cursor) + steps
            at = times[max(0, min(len(times) - 1, index))]
        axis = replace(self, cursor=at)
        start, end = axis.span(whole)
        if start <= at <= end:
            return axis
        length = end - start
        return axis._at(whole, at if at < start else at - length, length)

    def _at(self, whole: Point, first: float, length: float) -> "Axis":
        first = max(whole[0], min(first, whole[1] - length))
        return replace(self, shown=(first, first + length), following=first + length >= whole[1])
