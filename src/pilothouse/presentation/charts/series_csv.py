"""A monitor's series as CSV: one row a window, series and figure, for a spreadsheet or another program."""

import csv
import io
import math
from collections.abc import Iterator

from pilothouse.domain.formats.csv_text import csv_text
from pilothouse.domain.monitoring.findings import EstimateFinding, Finding, PerformanceFinding, WindowFinding
from pilothouse.domain.monitoring.monitoring import MonitorView

COLUMNS = (
    "model", "target", "series", "window_start", "window_end", "rows", "value", "low", "high", "reference", "significant",
    "judged", "together", "rows_together", "version",
)  # fmt: skip


def series_csv(*views: MonitorView) -> str:
    """Every finding of the views. Times are UTC (ISO 8601); an absent figure is empty, and so is ``significant`` of a window
    that was not judged.

    A name that a spreadsheet would take for a formula gets an apostrophe before it (OWASP, "CSV Injection").
    """
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    for view in views:
        deployment = (csv_text(view.model), csv_text(view.target))
        writer.writerows((*deployment, *row) for row in _rows(view))
    return out.getvalue()


def _rows(view: MonitorView) -> Iterator[list[object]]:
    for p in view.performance:
        yield _row(csv_text(p.finding.metric), p, _figures(p.finding), p.finding.significant)
    for e in view.estimated:
        yield _row(f"{csv_text(e.finding.metric)} estimated", e, _figures(e.finding))
    for feature, windows in view.drift.items():
        for d in windows:
            drift = d.finding
            figures = [_number(drift.value), "", _number(drift.threshold), ""]
            yield _row(f"drift {drift.statistic} of {feature}", d, figures, drift.significant)
            if drift.course is not None:
                course = drift.course
                bounds = [
                    _number(course.value),
                    _number(course.low),
                    _number(course.high),
                    _number(course.expected),
                ]
                yield _row(f"course of {feature}", d, bounds)
            yield _row(f"missing share of {feature}", d, _alone(drift.missing))
            yield _row(f"unseen share of {feature}", d, _alone(drift.unseen))
            if drift.contract is not None:
                yield _row(f"share of {feature} outside of its contract", d, _alone(drift.contract))
            if drift.power is not None:
                unit = "standard deviations" if drift.power.kind == "shift" else "share of a category"
                name = f"smallest change found in {feature} ({unit})"
                yield _row(name, d, _alone(drift.power.smallest))
    for t in view.traffic:
        for name, value in (
            ("predictions", t.window.rows), ("requests", t.finding.requests), ("errors", t.finding.errors),
            ("p50_ms", t.finding.p50_ms), ("p95_ms", t.finding.p95_ms), ("p99_ms", t.finding.p99_ms),
        ):  # fmt: skip
            yield _row(name, t, _alone(value))


def _row(
    series: str, of: WindowFinding[Finding], figures: list[object], significant: bool | None = None
) -> list[object]:
    window = of.window
    verdict = "" if significant is None or not window.judged else int(significant)
    return [
        series,
        window.start.isoformat(),
        window.end.isoformat(),
        window.rows,
        *figures,
        verdict,
        int(window.judged),
        window.together,
        window.judged_rows,
        "" if of.version is None else of.version,
    ]


def _alone(value: float | None) -> list[object]:
    """A value without bounds or reference."""
    return [_number(value), "", "", ""]


def _figures(finding: PerformanceFinding | EstimateFinding) -> list[object]:
    return [_number(x) for x in (finding.value, finding.low, finding.high, finding.reference)]


def _number(value: float | None) -> object:
    return value if value is not None and math.isfinite(value) else ""
