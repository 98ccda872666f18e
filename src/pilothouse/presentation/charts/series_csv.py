"""A monitor's series as CSV: one row a window, series and figure, for a spreadsheet or another program."""

import csv
import io
import math
from collections.abc import Iterator
from datetime import datetime

from pilothouse.domain.monitoring import MonitorView

COLUMNS = (
    "model", "target", "series", "window_start", "window_end", "rows", "value", "low", "high", "reference", "speaks",
)  # fmt: skip
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def series_csv(*views: MonitorView) -> str:
    """Every reading of the views. Times are UTC (ISO 8601); a figure that is not there is empty.

    A name that a spreadsheet would take for a formula gets an apostrophe before it (OWASP, "CSV Injection").
    """
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    for view in views:
        place = [_text(view.model), _text(view.target)]
        for row in _rows(view):
            writer.writerow([*place, *row])
    return out.getvalue()


def _rows(view: MonitorView) -> Iterator[list[object]]:
    for p in view.performance:
        figures = map(_number, (p.value, p.low, p.high, p.reference))
        yield [_text(p.metric), *_span(p.window_start, p.window_end), p.rows, *figures, int(p.speaks)]
    for e in view.estimated:
        figures = map(_number, (e.value, e.low, e.high, e.reference))
        yield [f"{_text(e.metric)} estimated", *_span(e.window_start, e.window_end), e.rows, *figures, ""]
    for feature, readings in view.drift.items():
        for d in readings:
            span = _span(d.window_start, d.window_end)
            name = f"drift {d.statistic} of {feature}"
            yield [name, *span, d.rows, _number(d.value), "", _number(d.threshold), "", int(d.speaks)]
            yield [f"missing share of {feature}", *span, d.rows, _number(d.missing), "", "", "", ""]
            yield [f"unseen share of {feature}", *span, d.rows, _number(d.unseen), "", "", "", ""]
    for t in view.traffic:
        span = _span(t.window_start, t.window_end)
        for name, value in (
            ("predictions", t.rows), ("requests", t.requests), ("errors", t.errors),
            ("p50_ms", t.p50_ms), ("p95_ms", t.p95_ms), ("p99_ms", t.p99_ms),
        ):  # fmt: skip
            yield [name, *span, t.rows, _number(value), "", "", "", ""]


def _span(start: datetime, end: datetime) -> tuple[str, str]:
    return start.isoformat(), end.isoformat()


def _number(value: float) -> object:
    return value if math.isfinite(value) else ""


def _text(text: str) -> str:
    return f"'{text}" if text.startswith(_FORMULA) else text
