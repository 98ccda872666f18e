"""The pictures of the monitor's windows: performance, drift, latency, volume, data quality, heat map, distributions.

The charts have one time axis, which a reader may narrow. A second target or version may be drawn beside the first.
"""

import math
from collections.abc import Iterable
from dataclasses import replace

from pilothouse.domain.formats.safe_text import safe
from pilothouse.domain.models.model_spec import higher_is_better
from pilothouse.domain.monitoring.findings import (
    EstimateFinding,
    EstimateVerdict,
    PerformanceFinding,
    WindowFinding,
)
from pilothouse.domain.monitoring.monitoring import FeatureDistribution, MonitorView, TimelineMark
from pilothouse.presentation import verdicts
from pilothouse.presentation.cells import Cell, Tone
from pilothouse.presentation.charts.chart import (
    MARK_GLYPHS,
    Band,
    Bin,
    Chart,
    Distribution,
    HeatMap,
    HeatRow,
    Level,
    Mark,
    Point,
    Series,
)
from pilothouse.presentation.charts.feature_charts import course_chart, drift_chart, quality_chart
from pilothouse.presentation.charts.monitor_points import (
    Other,
    is_silent,
    no_latency_text,
    no_traffic_text,
    of_version,
    points_of,
)
from pilothouse.presentation.texts import (
    ABSENT,
    count_text,
    estimate_text,
    figure,
    window_text,
)

PANELS = ("performance", "drift", "latency", "volume", "course", "quality")
"""The charts of the monitor in the order of their zoom keys; the first four stand on one screen."""


def monitor_charts(
    view: MonitorView, feature: str | None, other: Other | None = None, span: Point | None = None
) -> tuple[Chart, ...]:
    """The charts of a target on one time axis, as PANELS names them. Without ``feature`` the most drifted one is shown.

    ``span`` narrows the axis to these seconds since 1970.
    """
    shown = feature if feature in view.drift else next(iter(view.drift), "score")
    charts: tuple[Chart, ...] = (
        _performance(view, other),
        drift_chart(view, shown, other),
        _latency(view, other),
        _volume(view, other),
        course_chart(view, shown, other),
        quality_chart(view, shown),
    )
    start, end = span or whole_span(view)
    marks = _marks(view, start, end)
    if is_silent(view):  # no verdict of then is shown as one of now
        charts = tuple(replace(chart, headline=Cell(chart.headline.text, "dim")) for chart in charts)
    return tuple(replace(chart, start=start, end=end, marks=marks) for chart in charts)


def _performance(view: MonitorView, other: Other | None) -> Chart:
    """Measured performance with its 95 % band, the estimate with its own, and the reference on the hold-out."""
    measured, estimates = view.performance, view.estimated
    headline = Cell(ABSENT, "dim")
    newest, estimate, undefined = view.newest(measured), view.newest(estimates), view.newest(view.undefined)
    if estimate is not None and estimate.version == view.version:
        # the live version has an estimate: outcomes of another one are not its own
        newest = newest if newest is not None and newest.version == view.version else None
        undefined = undefined if undefined is not None and undefined.version == view.version else None
    if newest is not None:
        last, window = newest.finding, newest.window
        text = of_version(view, newest, f"{figure(last.value)} [{figure(last.low)} {figure(last.high)}]")
        if estimate and estimate.window.end > window.end and estimate.version == newest.version:
            text += f" {estimate_text(estimate.finding)}"
        headline = verdicts.headline(
            verdicts.performance_verdict(window, last.significant, suspected=newest in view.suspected),
            text,
            window,
            view.minimum_rows,
            compared=last.reference is not None,
            waits_for=verdicts.waits_for(view),
        )
    elif undefined is not None:
        text = of_version(view, undefined, f"{verdicts.NOT_JUDGED}: {undefined.finding.why}")
        headline = Cell(text, "info")
    elif estimate is not None:
        finding = estimate.finding
        cannot_tell = finding.verdict is EstimateVerdict.CANNOT_TELL
        figures = f"{finding.verdict} [{figure(finding.low)} {figure(finding.high)}]"
        text = of_version(view, estimate, figures if cannot_tell else figure(finding.value))
        headline = Cell(f"≈ {text} estimated, no outcome yet", "dim" if cannot_tell else "info")
    of_live_last: list[WindowFinding[PerformanceFinding | EstimateFinding]] = sorted(
        (*estimates, *measured), key=lambda w: w.version == view.version
    )
    references = {w.window.end: w.finding.reference for w in of_live_last}
    series = [Series("reference", points_of(sorted(references.items())), "good", "dotted", "ref")]
    bands = [Band("measured", _edges(measured))]
    if other is None:
        points = points_of((e.window.end, e.finding.value) for e in estimates)
        series.append(Series("estimated", points, "warn", "dashed", "est"))
        bands.append(Band("estimated", _edges(estimates), "dim", filled=False))
    else:
        points = points_of((r.window.end, r.finding.value) for r in other.view.performance)
        series.append(Series(other.name, points, "warn", "dashed", other.tag))
    points = points_of((r.window.end, r.finding.value) for r in measured)
    series.append(Series("measured", points, "info", "line", "meas"))
    reference = view.reference
    levels = (Level("reference", reference.value, "good", "ref"),) if reference and not references else ()
    return Chart(
        title=f"{safe(view.metric)} {'↑' if higher_is_better(view.metric) else '↓'}",
        headline=headline,
        series=tuple(s for s in series if s.points or s.name == "measured"),
        levels=levels,
        bands=tuple(b for b in bands if b.points),
        empty="no performance yet: it is known once outcomes have arrived for a whole window",
    )


def _latency(view: MonitorView, other: Other | None) -> Chart:
    """p50, p95 and p99 in milliseconds, with the baseline of p95."""
    windows = [t for t in view.traffic if t.finding.requests]
    headline = Cell(ABSENT, "dim")
    newest = view.newest(windows)
    if newest is not None:
        last = newest.finding
        text = f"p50 {figure(last.p50_ms, 1)} p95 {figure(last.p95_ms, 1)} p99 {figure(last.p99_ms, 1)}"
        said = of_version(view, newest, f"{text} the machine is slow" if last.machine_slow else text)
        headline = Cell(said, "warn" if last.machine_slow else "info")
    p95 = points_of((t.window.end, t.finding.p95_ms) for t in windows)
    if other is None:
        p99 = points_of((t.window.end, t.finding.p99_ms) for t in windows)
        p50 = points_of((t.window.end, t.finding.p50_ms) for t in windows)
        series = [Series("p99", p99, "dim", "dotted", "p99"), Series("p50", p50, "info", "dashed", "p50")]
    else:
        theirs = points_of((t.window.end, t.finding.p95_ms) for t in other.view.traffic if t.finding.requests)
        series = [Series(other.name, theirs, "info", "dashed", other.tag)]
    return Chart(
        title="latency ms" if other is None else "latency p95 ms",
        headline=headline,
        series=(*series, Series("p95", p95, "warn", "line", "p95" if other is None else "now")),
        levels=(Level("base line p95", base, "dim", "base"),) if (base := view.baseline_p95_ms) else (),
        from_zero=True,
        empty=no_latency_text(view),
        decimals=1,
    )


def _volume(view: MonitorView, other: Other | None) -> Chart:
    """Predictions a window as bars, and errors where there were any."""
    headline = Cell(ABSENT, "dim")
    newest = view.newest(view.traffic)
    if newest is not None:
        text = f"{count_text(newest.window.rows)} rows, {count_text(newest.finding.errors)} errors"
        headline = Cell(of_version(view, newest, text), "bad" if newest.finding.errors else "info")
    rows = points_of((t.window.end, float(t.window.rows)) for t in view.traffic)
    series = [Series("rows", rows, "info", "bars", "rows")]
    if other is not None:
        theirs = points_of((t.window.end, float(t.window.rows)) for t in other.view.traffic)
        series.append(Series(other.name, theirs, "warn", "dashed", other.tag))
    if any(t.finding.errors for t in view.traffic):
        errors = points_of((t.window.end, float(t.finding.errors)) for t in view.traffic if t.finding.errors)
        series.append(Series("errors", errors, "bad", "bars", "err"))
    return Chart(
        title="volume",
        headline=headline,
        series=tuple(series),
        from_zero=True,
        whole=True,
        empty=no_traffic_text(view),
    )


def heat_map(view: MonitorView, selected: str | None, span: Point | None = None) -> HeatMap:
    """Every feature's drift as a share of its threshold, window by window; the most drifted on top."""
    rows = tuple(
        HeatRow(
            safe(feature, 64),
            tuple(
                (
                    d.window.start.timestamp(),
                    d.window.end.timestamp(),
                    d.finding.times_threshold,
                    d.finding.significant if d.window.judged and not d.finding.blind else None,
                )
                for d in windows
                if d.finding.threshold
            ),
        )
        for feature, windows in view.drift.items()
    )
    newest = [window for windows in view.drift.values() if (window := view.newest(windows)) is not None]
    newest = [window for window in newest if window.version == newest[0].version]
    drifting = any(w.finding.significant for w in newest)
    headline = Cell(ABSENT, "dim")
    if newest:
        headline = verdicts.headline(
            Cell("▲" if drifting else "●", "warn" if drifting else "good")
            if newest[0].window.judged
            else verdicts.drift_verdict(newest[0].window, None),
            of_version(view, newest[0], verdicts.drift_counts([w.finding for w in newest])),
            newest[0].window,
            view.minimum_rows,
        )
    start, end = span or whole_span(view)
    return HeatMap(
        title="drift, features × time",
        headline=headline,
        rows=rows,
        marks=_marks(view, start, end),
        start=start,
        end=end,
        selected=safe(selected or "", 64),
    )


def distribution_picture(shares: FeatureDistribution | None, feature: str) -> Distribution:
    """A feature in one window beside its reference, bin by bin."""
    if shares is None:
        return Distribution(f"{safe(feature, 24)}", Cell(ABSENT, "dim"), ())
    drift, window = shares.finding, shares.window
    measured = (drift.value, drift.threshold) if drift else (None, None)
    headline = verdicts.headline(
        verdicts.drift_verdict(window, drift),
        f"{safe(drift.statistic if drift else '')} {' of '.join(map(figure, measured))}",
        window,
        shares.minimum_rows,
    )
    bins = tuple(Bin(safe(b.label, 40), b.reference, b.window) for b in shares.bins)
    rows, missing = count_text(shares.reference_rows), f"{shares.reference_missing:.1%}"
    shown = window_text(window.since, window.end)
    together = f"{window.together} windows together: " if window.together > 1 else "this window: "
    notes = (
        Cell(f"reference: version {shares.version}, {rows} rows, {missing} missing", "dim"),
        Cell(
            f"{together}{shown}, {count_text(shares.window_rows)} rows, {shares.window_missing:.1%} missing",
            "dim",
        ),
    )
    return Distribution(f"{safe(feature, 24)}", headline, bins, notes)


def whole_span(view: MonitorView) -> Point:
    """First and last time of any figure of a view; (0, 0) without one."""
    times = [p.window.end for p in view.performance] + [e.window.end for e in view.estimated]
    times += [t.window.end for t in view.traffic]
    times += [d.window.end for windows in view.drift.values() for d in windows]
    return (min(times).timestamp(), max(times).timestamp()) if times else (0.0, 0.0)


def _edges(
    windows: Iterable[WindowFinding[PerformanceFinding | EstimateFinding]],
) -> tuple[tuple[float, float, float], ...]:
    bands = ((w.window.end.timestamp(), w.finding.measured) for w in windows)
    return tuple(
        (at, band.low, band.high)
        for at, band in bands
        if math.isfinite(band.low) and math.isfinite(band.high)
    )


def _marks(view: MonitorView, start: float, end: float) -> tuple[Mark, ...]:
    """Marks within the axis, the same for every chart of a view."""
    return tuple(_mark(mark) for mark in view.marks if start <= mark.at.timestamp() <= end)


def _mark(mark: TimelineMark) -> Mark:
    glyph, tone = MARK_GLYPHS.get(mark.kind, ("*", "dim"))
    return Mark(mark.at.timestamp(), glyph, tone, safe(mark.label), line=glyph in "DB")


LINE_LEGEND: tuple[tuple[str, Tone], ...] = (
    ("── measured ", "info"), ("╌╌ estimated ", "warn"), ("·· reference ", "good"), ("░ 95 % ", "dim"),
)  # fmt: skip
"""Legend of the chart of performance."""
HEAT_LEGEND = "○ not judged  · calm  ░ ▒ nearing its threshold  ▓ beyond  █ drifts"
