"""A monitor's series as CSV: one row a window, series and figure, for a spreadsheet or another program."""

import csv
import io
import math
from collections.abc import Iterator

from pilothouse.domain.findings import EstimateFinding, PerformanceFinding, Window
from pilothouse.domain.monitoring import MonitorView

COLUMNS = (
    "model", "target", "series", "window_start", "window_end", "rows", "value", "low", "high", "reference", "significant",
)  # fmt: skip
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def series_csv(*views: MonitorView) -> str:
    """Every finding of the views. Times are UTC (ISO 8601); an absent figure is empty.

    A name that a spreadsheet would take for a formula gets an apostrophe before it (OWASP, "CSV Injection").
    """
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    for view in views:
        deployment = (_text(view.model), _text(view.target))
        writer.writerows((*deployment, *row) for row in _rows(view))
    return out.getvalue()


def _rows(view: MonitorView) -> Iterator[list[object]]:
    for p in view.performance:
        figures = _figures(p.finding)
        yield [_text(p.finding.metric), *_window(p.window), *figures, int(p.finding.significant)]
    for e in view.estimated:
        yield [f"{_text(e.finding.metric)} estimated", *_window(e.window), *_figures(e.finding), ""]
    for feature, windows in view.drift.items():
        for d in windows:
            window, drift = _window(d.window), d.finding
            name = f"drift {drift.statistic} of {feature}"
            verdict = int(drift.significant)
            yield [name, *window, _number(drift.value), "", _number(drift.threshold), "", verdict]
            yield [f"missing share of {feature}", *window, _number(drift.missing), "", "", "", ""]
            yield [f"unseen share of {feature}", *window, _number(drift.unseen), "", "", "", ""]
    for t in view.traffic:
        for name, value in (
            ("predictions", t.window.rows), ("requests", t.finding.requests), ("errors", t.finding.errors),
            ("p50_ms", t.finding.p50_ms), ("p95_ms", t.finding.p95_ms), ("p99_ms", t.finding.p99_ms),
        ):  # fmt: skip
            yield [name, *_window(t.window), _number(value), "", "", "", ""]


def _window(window: Window) -> tuple[str, str, int]:
    return window.start.isoformat(), window.end.isoformat(), window.rows


def _figures(finding: PerformanceFinding | EstimateFinding) -> list[object]:
    return [_number(x) for x in (finding.value, finding.low, finding.high, finding.reference)]


def _number(value: float | None) -> object:
    return value if value is not None and math.isfinite(value) else ""


def _text(text: str) -> str:
    return f"'{text}" if text.startswith(_FORMULA) else text
