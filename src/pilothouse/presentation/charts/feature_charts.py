"""The pictures of one feature over the monitor's windows: its drift, its course, its data quality."""

from collections.abc import Iterable

from pilothouse.domain.formats.safe_text import safe
from pilothouse.domain.monitoring.drift_comparison import Course
from pilothouse.domain.monitoring.findings import DriftFinding, WindowFinding
from pilothouse.domain.monitoring.monitoring import MonitorView
from pilothouse.presentation import verdicts
from pilothouse.presentation.cells import Cell, Tone
from pilothouse.presentation.charts.chart import Band, Chart, Level, Point, Series
from pilothouse.presentation.charts.monitor_points import Other, of_version, points_of
from pilothouse.presentation.texts import ABSENT, figure


def drift_chart(view: MonitorView, feature: str, other: Other | None) -> Chart:
    """One feature (or ``score``) over all windows in the statistic by which the newest was judged, with its threshold.

    Older windows may have been judged by another, whose values are in other units.
    """
    windows = view.drift.get(feature, ())
    headline = Cell(ABSENT, "dim")
    levels: tuple[Level, ...] = ()
    statistic = ""
    newest = view.newest(windows)
    if newest is not None:
        last, window = newest.finding, newest.window
        statistic = last.statistic
        headline = verdicts.headline(
            verdicts.drift_verdict(window, last),
            of_version(view, newest, verdicts.drift_figures(last)),
            window,
            view.minimum_rows,
        )
        levels = (Level("threshold", last.threshold, "warn", "max"),)
    series = [Series(feature, _drift_points(windows, statistic), "info", "line", "now" if other else "")]
    if other is not None:
        theirs = _drift_points(other.view.drift.get(feature, ()), statistic)
        series.insert(0, Series(other.name, theirs, "warn", "dashed", other.tag))
    return Chart(
        title=f"{safe(feature, 24)} {safe(statistic)}".rstrip(),
        headline=headline,
        series=tuple(series),
        levels=levels,
        from_zero=True,
        empty="no drift figures yet: they are made once a whole window has passed",
    )


def course_chart(view: MonitorView, feature: str, other: Other | None) -> Chart:
    """A feature's mean, or the share of its most frequent category, window by window, with the course that was expected from
    what it is compared with, and the band beyond which a change would be found."""
    windows = [d for d in view.drift.get(feature, ()) if d.finding.course is not None]
    headline = Cell(ABSENT, "dim")
    what = "mean"
    newest = view.newest(windows)
    if newest is not None and (last := newest.finding.course) is not None:
        what = f"share of {safe(last.category, 24)}" if last.category else what
        before = newest.finding.before
        days = before.text if before is not None and before.days else "the days before"
        beside = "the reference" if last.beside == "reference" else days
        verdict = verdicts.drift_verdict(newest.window, newest.finding)
        said = f"{figure(last.value)}, expected {figure(last.expected)}, no band from {beside}"
        if last.low is not None and last.high is not None:
            said = f"{figure(last.value)}{_place(newest.finding, last, judged=newest.window.judged)} from {beside}"
        word = _what_drifts(newest.finding, last) if newest.window.judged else ""
        headline = Cell(f"{word or verdict.text}: {of_version(view, newest, said)}", verdict.tone)
    courses = [(d.window.end, d.finding.course) for d in windows if d.finding.course is not None]
    edges = tuple(
        (at.timestamp(), c.low, c.high) for at, c in courses if c.low is not None and c.high is not None
    )
    series = [
        Series("a year before", points_of((at, c.year_before) for at, c in courses), "dim", "dashed", "year"),
        Series("expected", points_of((at, c.expected) for at, c in courses), "good", "dotted", "exp"),
        Series(feature, points_of((at, c.value) for at, c in courses), "info", "line", "now"),
    ]
    if other is not None:
        theirs = points_of(
            (d.window.end, d.finding.course.value)
            for d in other.view.drift.get(feature, ())
            if d.finding.course is not None
        )
        series.insert(0, Series(other.name, theirs, "warn", "dashed", other.tag))
    return Chart(
        title=f"{safe(feature, 24)} {what}",
        headline=headline,
        series=tuple(s for s in series if s.points),
        bands=(Band("expected", edges),) if edges else (),
        empty="no course: no closed window has one, for want of usable rows or since an earlier release judged it"
        if view.drift.get(feature)
        else "no course yet: it is known once a whole window has passed",
    )


_DRIFTING = {"higher": "level by ranks", "lower": "level by ranks", "wider": "spread", "narrower": "spread",
             "outside": "range"}  # fmt: skip
"""What has changed where the statistic of a verdict is not about the mean; else the distribution."""


def _is_inside(course: Course) -> bool:
    return course.low is not None and course.high is not None and course.low <= course.value <= course.high


def _what_drifts(finding: DriftFinding, course: Course) -> str:
    """``▲ its spread drifts``: of a feature that drifts though the value of its course is inside its band."""
    if not finding.significant or not _is_inside(course):
        return ""
    statistic = finding.statistic.removeprefix("recent_").removeprefix("lasting_")
    return f"▲ its {_DRIFTING.get(statistic, 'distribution')} drifts"


def _place(finding: DriftFinding, course: Course, *, judged: bool) -> str:
    """Where the value of a course lies, said where the verdict does not follow from it."""
    band = f"[{figure(course.low)} {figure(course.high)}]"
    if judged and finding.significant and _is_inside(course):
        by = f"{safe(finding.statistic)} {figure(finding.value)} of {figure(finding.threshold)}"
        return f" inside its band {band}, but {by}; expected {figure(course.expected)}"
    if judged and not finding.significant and not finding.blind and not _is_inside(course):
        return f" outside its band {band}, not significant; expected {figure(course.expected)}"
    return f", expected {figure(course.expected)} {band}"


def quality_chart(view: MonitorView, feature: str) -> Chart:
    """The share of a feature's rows that are missing, of a category that the reference does not hold, or outside of its
    contract where it has one, in percent."""
    windows = view.drift.get(feature, ())
    headline = Cell(ABSENT, "dim")
    newest = view.newest(windows)
    if newest is not None:
        last = newest.finding
        bad = last.missing > 0 or last.unseen > 0 or bool(last.contract)
        calm: Tone = "good" if newest.window.judged else "info"
        text = f"missing {last.missing:.1%} unseen {last.unseen:.1%}"
        text += f" contract {last.contract:.1%}" if last.contract is not None else ""
        headline = Cell(of_version(view, newest, text), "warn" if bad else calm)
    unseen = points_of((d.window.end, 100 * d.finding.unseen) for d in windows)
    missing = points_of((d.window.end, 100 * d.finding.missing) for d in windows)
    outside = points_of(
        (d.window.end, 100 * d.finding.contract) for d in windows if d.finding.contract is not None
    )
    return Chart(
        title=f"{safe(feature, 24)} quality %",
        headline=headline,
        series=(
            Series("unseen", unseen, "warn", "dashed", "new"),
            Series("missing", missing, "info", "line", "miss"),
            *([Series("contract", outside, "bad", "line", "out")] if outside else []),
        ),
        from_zero=True,
        empty="no figures of data quality yet: they are made once a whole window has passed",
        decimals=1,
    )


def _drift_points(windows: Iterable[WindowFinding[DriftFinding]], statistic: str) -> tuple[Point, ...]:
    return points_of(
        (
            w.window.end,
            w.finding.value if w.finding.statistic == statistic else w.finding.statistics.get(statistic),
        )
        for w in windows
    )
