"""Windows of too few rows, merged with those just before them until a verdict has something to stand on."""

from collections.abc import Callable
from dataclasses import dataclass

from pilothouse.domain.monitoring.alert_rules import Span
from pilothouse.domain.monitoring.judging import MOST_TOGETHER, windows_together


@dataclass(frozen=True, slots=True)
class Merged:
    """The ``newest`` of some ``windows`` without a gap between them, which are judged as one: ``rows`` in ``whole``."""

    newest: Span
    own_rows: int
    windows: int
    whole: Span
    rows: int


def alone(span: Span, rows: int) -> Merged:
    """A window that is judged by itself."""
    return Merged(span, rows, 1, span, rows)


def merge(span: Span, first_us: int, minimum_rows: int, rows_of: Callable[[Span], int]) -> Merged:
    """A window with those before it that it takes to hold ``minimum_rows``, by ``windows_together``. ``first_us`` is the start
    of the stream's first window: what lies before is no whole window. ``rows_of`` counts the rows of a window."""
    length = span.end_us - span.start_us
    rows = [rows_of(span)]
    while rows[-1] > 0 and sum(rows) < minimum_rows and len(rows) < MOST_TOGETHER:
        start_us = span.start_us - len(rows) * length
        if start_us < first_us:
            break
        rows.append(rows_of(Span(start_us, start_us + length)))
    windows = windows_together(rows, minimum_rows)
    whole = Span(span.end_us - windows * length, span.end_us)
    return Merged(span, rows[0], windows, whole, sum(rows[:windows]))
