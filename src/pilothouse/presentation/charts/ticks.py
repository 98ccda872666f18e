"""Ticks of axes: values in steps of 1, 2 or 5, times at borders that people name (midnight, Monday, the first of a month)."""

import math
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta

from pilothouse.domain.formats.time_units import DAY_S
from pilothouse.presentation.charts.chart import Chart

LABEL = 7
"""Columns of the longest label."""
Tick = tuple[float, str]

_MINUTE_S, _HOUR_S = 60.0, 3_600.0
_WITHIN_A_DAY_S = (
    *(minutes * _MINUTE_S for minutes in (1, 2, 5, 10, 15, 30)),
    *(hours * _HOUR_S for hours in (1, 2, 3, 6, 12)),
)
_UNITS = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))
_MONDAY = date(1970, 1, 5)


def axis_ticks(chart: Chart, most: int) -> list[Tick]:
    """Ticks of the horizontal axis: of time, or of the figure that the chart has there."""
    start, end = chart.span
    if chart.across:
        return number_ticks(start, end, most, whole=chart.across_whole)
    return time_ticks(start, end, most)


def value_ticks(chart: Chart, low: float, high: float, most: int) -> list[Tick]:
    """Ticks of the value axis: whole numbers where the chart counts."""
    return number_ticks(low, high, most, whole=chart.whole)


def number_ticks(low: float, high: float, most: int, *, whole: bool = False) -> list[Tick]:
    """At most ``most`` round values from ``low`` to ``high``, each with a label of its own that is not cut."""
    exponent = math.floor(math.log10((high - low) / max(1, most))) - 1
    while True:
        for digit in (1, 2, 5):
            step = digit * 10.0**exponent
            if whole and step < 1:
                continue
            first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
            if last - first + 1 <= most:
                ticks = [(i * step, _label(i * step, exponent)) for i in range(first, last + 1)]
                if len({label for _, label in ticks}) == len(ticks):
                    return ticks
        exponent += 1


def _label(value: float, exponent: int) -> str:
    text = f"{value:,.{max(0, -exponent)}f}".replace("-", "−")
    if len(text) <= LABEL:
        return text
    unit, letter = next((u for u in _UNITS if abs(value) >= u[0]), (1.0, ""))
    return f"{value / unit:.6g}{letter}".replace("-", "−")


def time_ticks(start: float, end: float, most: int) -> list[Tick]:
    """The finest of the natural borders of which at most ``most`` lie on the axis; its ends where there are fewer than two."""
    ticks: list[Tick] = []
    for borders, pattern in _borders(start, end):
        ticks = []
        for at in borders(start):
            if at > end or len(ticks) > most:
                break
            if at >= start:
                ticks.append((at, datetime.fromtimestamp(at, UTC).strftime(pattern(at))))
        if len(ticks) <= most:
            break
    if len(ticks) >= 2:
        return ticks
    at_ends = (
        "%m-%d" if DAY_S * 2 <= end - start <= 400 * DAY_S else "%Y-%m" if end - start > DAY_S else "%H:%M"
    )
    return [(at, datetime.fromtimestamp(at, UTC).strftime(at_ends)) for at in (start, end)][: max(1, most)]


_Borders = Callable[[float], Iterator[float]]


def _borders(start: float, end: float) -> Iterator[tuple[_Borders, Callable[[float], str]]]:
    """Borders from the finest to the coarsest, and the pattern of their labels."""
    for step in _WITHIN_A_DAY_S:
        if (end - start) / step <= 1_000:
            yield _every(step), lambda at: "%H:%M" if at % DAY_S else "%m-%d"
    days = "%m-%d" if end - start <= 400 * DAY_S else "%Y-%m"
    if end - start <= 400 * DAY_S:
        for number in (1, 2):
            yield _every(number * DAY_S), lambda _: "%m-%d"
        for number in (1, 2):
            yield _mondays(number), lambda _: "%m-%d"
    for number in (1, 2, 3, 6):
        yield _months(number), lambda _: days
    for number in (1, 2, 5, 10, 20, 50, 100):
        yield _months(12 * number), lambda _: "%Y"


def _every(step: float) -> _Borders:
    def borders(start: float) -> Iterator[float]:
        number = math.ceil(start / step)
        while True:
            yield number * step
            number += 1

    return borders


def _mondays(step: int) -> _Borders:
    def borders(start: float) -> Iterator[float]:
        weeks = (datetime.fromtimestamp(start, UTC).date() - _MONDAY).days // 7
        weeks -= weeks % step
        while True:
            yield _midnight(_MONDAY + timedelta(weeks=weeks))
            weeks += step

    return borders


def _months(step: int) -> _Borders:
    def borders(start: float) -> Iterator[float]:
        first = datetime.fromtimestamp(start, UTC)
        months = first.year * 12 + first.month - 1
        months -= months % step
        while months // 12 <= date.max.year:
            yield _midnight(date(max(1, months // 12), months % 12 + 1, 1))
            months += step

    return borders


def _midnight(day: date) -> float:
    return datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()


def placed(
    ticks: list[Tick], column_of: Callable[[float], int], left: int, right: int
) -> Iterator[tuple[int, str]]:
    """(first column, label) of each label that fits between ``left`` and ``right``: centred below its column, moved inwards at
    the ends, and left out where it would touch the one before."""
    free = left
    for at, label in ticks:
        first = max(left, min(column_of(at) - len(label) // 2, right - len(label) + 1))
        if first >= free:
            yield first, label
            free = first + len(label) + 1
