"""Pictures say in a description what they show; drawing makes lines of exactly the size asked for."""

import csv
import re
from dataclasses import replace
from datetime import timedelta

import pytest
from values import START, WEEK, drift, monitor_view

from pilothouse.domain.monitoring.drift_comparison import Course
from pilothouse.domain.monitoring.findings import EstimateFinding, Window, WindowFinding
from pilothouse.domain.monitoring.monitoring import (
    DistributionBin,
    FeatureDistribution,
    Health,
    MonitorView,
    ServingState,
    TargetState,
    TimelineMark,
)
from pilothouse.presentation.cells import Cell
from pilothouse.presentation.charts import braille
from pilothouse.presentation.charts.chart import (
    Chart,
    Mark,
    Series,
    mark_columns,
    marks_of,
    readout,
    times_of,
    window_at,
)
from pilothouse.presentation.charts.monitor_charts import (
    PANELS,
    distribution_picture,
    heat_map,
    monitor_charts,
)
from pilothouse.presentation.charts.monitor_lines import facts_line, words_below
from pilothouse.presentation.charts.monitor_points import Other
from pilothouse.presentation.charts.monitor_span import Axis
from pilothouse.presentation.charts.plotting import draw
from pilothouse.presentation.charts.series_csv import COLUMNS, series_csv
from pilothouse.presentation.charts.vector import svg
from pilothouse.presentation.pages.work_pages import feature_table
from pilothouse.presentation.width import display_width
from support.drawings import plain_text

SIZES = [(38, 7), (60, 16), (118, 30)]


def performance_chart(view: MonitorView) -> Chart:
    return monitor_charts(view, None)[0]


def drift_chart(view: MonitorView, feature: str) -> Chart:
    return monitor_charts(view, feature)[1]


def estimated_view() -> MonitorView:
    """The view with estimates, two windows further than outcomes are known."""
    view = monitor_view()
    return replace(
        view,
        estimated=tuple(
            WindowFinding(
                window=Window(start=START + WEEK * i, end=START + WEEK * (i + 1), rows=2_900, judged=True),
                finding=EstimateFinding(
                    metric="auc",
                    value=0.69 - 0.008 * i,
                    low=0.66 - 0.008 * i,
                    high=0.72 - 0.008 * i,
                    reference=0.71,
                ),
            )
            for i in range(10)
        ),
    )


def test_performance_shows_what_was_realised_estimated_and_referred_to() -> None:
    chart = performance_chart(estimated_view())
    assert [(s.name, s.style) for s in chart.series] == [
        ("reference", "dotted"),
        ("estimated", "dashed"),
        ("measured", "line"),
    ]
    assert [(band.name, band.filled) for band in chart.bands] == [("measured", True), ("estimated", False)]
    assert len(chart.series[0].points) == 10, "the reference goes on as far as the estimate"
    assert chart.headline == Cell("✖ worse 0.630 [0.600 0.660] ≈0.618", "bad")


def test_before_the_first_outcome_the_estimate_stands_alone_and_says_so() -> None:
    chart = performance_chart(replace(estimated_view(), performance=()))
    assert chart.headline.text == "≈ 0.618 estimated, no outcome yet"
    assert chart.has_points


def test_an_estimate_whose_band_excludes_nothing_is_no_figure_in_the_headline() -> None:
    view = estimated_view()
    wide = tuple(
        replace(e, finding=replace(e.finding, low=0.5, high=0.8)) for e in view.estimated
    )  # fmt: skip
    beside = performance_chart(replace(view, estimated=wide))
    assert beside.headline.text == "✖ worse 0.630 [0.600 0.660] ≈ cannot tell"
    alone = performance_chart(replace(view, estimated=wide, performance=()))
    assert alone.headline == Cell("≈ cannot tell [0.500 0.800] estimated, no outcome yet", "dim")


def test_the_chart_of_performance_alone_says_what_its_newest_estimate_says() -> None:
    chart = performance_chart(estimated_view())
    assert words_below(chart, "cannot tell: the band", 80) == "≈ cannot tell: the band"
    assert words_below(chart, "", 80) == ""
    assert words_below(chart, "", 30) == chart.headline.text, "it has no room above the chart"


def test_lines_are_told_apart_without_colour() -> None:
    lines = plain_text(braille.draw(performance_chart(replace(estimated_view(), marks=())), 60, 14))
    tags = [line[-4:].strip() for line in lines if line[-4:].strip() in ("meas", "est", "ref")]
    assert sorted(tags) == ["est", "meas", "ref"]
    drawn = {}
    for style in ("line", "dashed", "dotted"):
        points = tuple((float(i), 1.0) for i in range(0, 100, 10))
        chart = Chart("x", Cell(""), (Series("x", points, style=style),), start=0.0, end=90.0)
        drawn[style] = "".join(plain_text(braille.draw(chart, 60, 6)))
    dots = {
        style: sum(bin(ord(c) - 0x2800).count("1") for c in text if 0x2800 <= ord(c) < 0x2900)
        for style, text in drawn.items()
    }
    assert dots["line"] > dots["dashed"] > dots["dotted"] > 0


def test_a_wide_interval_does_not_flatten_its_line() -> None:
    view = monitor_view()
    first, *others = view.performance
    wide = replace(first, finding=replace(first.finding, low=-40.0, high=40.0))
    chart = performance_chart(replace(view, performance=(wide, *others)))
    drawing = braille.draw(chart, 60, 12)
    assert "−40" not in "".join(plain_text(drawing))


def test_drift_shows_the_calibrated_threshold() -> None:
    chart = drift_chart(monitor_view(), "wind")
    assert chart.levels[0].value == 0.12
    assert chart.headline.text == "▲ drifts 0.210 of 0.120"


def test_drift_is_drawn_in_one_statistic_though_windows_were_judged_by_several() -> None:
    view = monitor_view()
    *older, last = view.drift["wind"]
    others = [
        replace(
            window,
            finding=replace(
                window.finding,
                statistic="wasserstein",
                value=2.5,
                threshold=9.0,
                statistics={last.finding.statistic: 0.1, "wasserstein": 2.5},
            ),
        )
        for window in older
    ]
    chart = drift_chart(replace(view, drift={"wind": (*others, last)}), "wind")
    assert len(chart.series[0].points) == len(others) + 1
    assert max(value for _, value in chart.series[0].points) < 1
    assert [level.value for level in chart.levels] == [last.finding.threshold]


def test_marks_outside_the_axis_are_left_out_and_all_charts_share_it() -> None:
    charts = monitor_charts(monitor_view(), None)
    assert {(chart.start, chart.end) for chart in charts} == {
        ((START + WEEK).timestamp(), (START + 8 * WEEK).timestamp())
    }
    assert [(mark.glyph, mark.label) for mark in charts[0].marks] == [("D", "v1"), ("!", "performance")]


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_drawings_have_exactly_the_size_asked_for(width: int, height: int) -> None:
    for chart in filter(lambda chart: chart.has_points, monitor_charts(monitor_view(), "wind")):
        lines = draw(chart, width, height, colour=False).split("\n")
        assert len(lines) == height
        assert {display_width(line) for line in lines} == {width}


@pytest.mark.parametrize(("width", "height"), [*SIZES, (80, 19), (390, 110)])
def test_braille_has_exactly_the_size_asked_for(width: int, height: int) -> None:
    view = estimated_view()
    pictures = (
        *monitor_charts(view, "wind"),
        heat_map(view, "wind"),
        distribution_picture(distribution(), "wind"),
    )
    for picture in pictures:
        drawing = braille.draw(picture, width, height)
        assert len(drawing.lines) == height
        assert {sum(display_width(cell.text) for cell in line) for line in drawing.lines} == {width}


def test_nothing_is_drawn_where_there_is_no_room_or_no_figure() -> None:
    chart = drift_chart(monitor_view(), "wind")
    assert "".join(plain_text(braille.draw(chart, 24, 3))).strip() == "no room for a chart"
    assert "once a whole window" in "\n".join(
        plain_text(braille.draw(drift_chart(monitor_view(0), "wind"), 60, 8))
    )


def test_the_cursor_stands_in_the_column_of_its_time_and_nowhere_else() -> None:
    chart = monitor_charts(monitor_view(), None)[0]
    drawing = braille.draw(chart, 60, 12)
    assert drawing.column_of(chart.start) == drawing.left
    assert drawing.column_of(chart.end) == drawing.right
    assert drawing.column_of(chart.end + 1) == -1


def test_at_a_time_every_figure_is_said_with_its_interval_and_what_happened() -> None:
    chart = monitor_charts(estimated_view(), None)[0]
    at = (START + 2 * WEEK).timestamp()
    assert readout(chart, at).text == "│06-17 meas 0.690 [0.660 0.720] est 0.682 [0.652 0.712] ref 0.710 D v1"
    assert readout(chart, at + 3_600).text.startswith("│06-17 meas 0.690"), (
        "between windows the last one holds"
    )
    assert at in times_of(monitor_charts(estimated_view(), None))


def test_a_narrower_axis_shows_its_windows_and_marks_alone() -> None:
    span = ((START + 3 * WEEK).timestamp(), (START + 6 * WEEK).timestamp())
    charts = monitor_charts(monitor_view(), None, span=span)
    assert {chart.span for chart in charts} == {span}
    assert [mark.label for mark in charts[0].marks] == ["performance"]
    assert len(times_of(charts)) == 4


def test_another_target_stands_beside_in_every_chart() -> None:
    other = Other("ewr", replace(monitor_view(), target="ewr"))
    charts = monitor_charts(estimated_view(), "wind", other)
    beside = [[s.style for s in chart.series if s.name == "ewr"] for chart in charts[:4]]
    assert beside == [["dashed"]] * 4
    assert "estimated" not in [s.name for s in charts[0].series], "two dashed lines could not be told apart"


def test_every_panel_has_its_chart() -> None:
    assert len(monitor_charts(monitor_view(), None)) == len(PANELS)


def test_heat_map_shades_by_the_share_of_the_threshold() -> None:
    view = monitor_view()
    lines = plain_text(braille.draw(heat_map(view, "wind"), 60, 8))
    row = next(line for line in lines if line.startswith("▶wind"))
    assert re.search("·+.*░+.*▒+.*█+", row), "calm first, then nearing, then drifting"
    assert "█" not in next(line for line in lines if "score" in line)
    assert "1 of 2 drift" in heat_map(view, "wind").headline.text


def test_heat_map_keeps_the_selected_feature_in_sight() -> None:
    view = monitor_view()
    many = replace(view, drift={f"f{i:02}": view.drift["wind"] for i in range(60)})
    lines = plain_text(braille.draw(heat_map(many, "f47"), 60, 12))
    assert any(line.startswith("▶f47") for line in lines)


def distribution() -> FeatureDistribution:
    """A feature of three bins; the last has become much more frequent."""
    bins = (
        DistributionBin("UA", 0.5, 0.42),
        DistributionBin("B6", 0.3, 0.28),
        DistributionBin("DL", 0.2, 0.3),
    )
    return FeatureDistribution(
        model="flight-delay",
        target="jfk",
        version=1,
        feature="carrier",
        window=Window(start=START, end=START + WEEK, rows=2_900, judged=True),
        bins=bins,
        reference_rows=60_000,
        window_rows=2_900,
        reference_missing=0.0,
        window_missing=0.01,
        finding=drift("carrier", "js", 0.2, 0.1, p_value=0.001, significant=True),
    )


def test_two_distributions_stand_beside_each_other_on_one_scale() -> None:
    lines = plain_text(braille.draw(distribution_picture(distribution(), "carrier"), 78, 10))
    by_label = {label: line for line in lines for label in ("UA", "B6", "DL") if label in line}
    left, _, right = by_label["UA"].partition("UA")
    assert left.count("█") > right.count("█")
    assert "50.0%" in left
    assert "42.0% ▼" in right
    assert by_label["DL"].rstrip().endswith("30.0% ▲")
    assert "▲" not in by_label["B6"]
    assert "▼" not in by_label["B6"]


def test_export_has_every_figure_once_and_opens_in_a_spreadsheet() -> None:
    view = replace(estimated_view(), model="=HYPERLINK(1)")
    rows = list(csv.DictReader(series_csv(view).splitlines()))
    assert tuple(rows[0]) == COLUMNS
    assert {row["model"] for row in rows} == {"'=HYPERLINK(1)"}, "no spreadsheet takes it for a formula"
    measured = [row for row in rows if row["series"] == "auc"]
    assert [float(row["value"]) for row in measured] == [p.finding.value for p in view.performance]
    assert sum(row["series"] == "auc estimated" for row in rows) == 10
    assert sum(row["series"] == "drift psi of wind" for row in rows) == 8


def test_svg_is_well_formed_and_holds_no_text_raw() -> None:
    from xml.etree import ElementTree

    hostile = replace(monitor_view(), metric="auc</text><script>alert(1)</script>")
    picture = svg(monitor_charts(hostile, "wind"), "a <b> & c")
    root = ElementTree.fromstring(picture)
    tags = {element.tag.rpartition("}")[2] for element in root.iter()}
    assert tags <= {"svg", "rect", "text", "g", "path", "polygon", "polyline", "title"}
    assert "polyline" in tags


def test_gaps_of_a_day_do_not_hide_a_single_window() -> None:
    chart = drift_chart(monitor_view(1), "score")
    drawing = braille.draw(
        replace(chart, start=START.timestamp(), end=(START + timedelta(days=9)).timestamp()), 40, 8
    )
    assert any(0x2800 < ord(c) < 0x2900 for line in plain_text(drawing) for c in line)


def test_drawings_hold_colours_and_no_other_escape() -> None:
    hostile = replace(
        monitor_view(),
        metric="auc\x1b[2J",
        marks=(TimelineMark(START + 3 * WEEK, "alert", "\x1b]52;c;x\x07"),),
    )
    text = draw(performance_chart(hostile), 60, 12, colour=True)
    assert "\x1b" not in re.sub(r"\x1b\[[0-9;]*m", "", text)
    assert "48;5" not in text, "no background: a chart costs few bytes"
    assert "!" in text


def test_marks_and_levels_are_visible_without_colour() -> None:
    text = draw(drift_chart(monitor_view(), "wind"), 60, 12, colour=False)
    assert "D" in text
    assert "!" in text
    assert "┈" in text


def test_one_point_and_equal_values_draw() -> None:
    view = monitor_view(1)
    assert "⠂" in draw(drift_chart(view, "score"), 40, 8, colour=False) or draw(
        drift_chart(view, "score"), 40, 8
    )


def test_without_figures_the_chart_says_when_there_will_be_some() -> None:
    assert "once a whole window has passed" in draw(drift_chart(monitor_view(0), "wind"), 60, 12)
    assert draw(drift_chart(monitor_view(), "wind"), 10, 3) == ""


def test_features_are_listed_with_verdicts_in_words() -> None:
    rows = feature_table(monitor_view()).rows
    assert [(row.key, row.cells[1].text) for row in rows] == [("wind", "▲ drifts"), ("score", "● quiet")]


def _mark(day: float, glyph: str) -> Mark:
    return Mark(day, glyph, "", f"{glyph} on {day}", line=False)


@pytest.mark.parametrize(
    ("marks", "letters"),
    [
        ([(5, "D")], "     D    "),
        ([(5, "R"), (5, "!")], "     !R   "),
        ([(5, "!"), (5, "!")], "     !    "),
        ([(9, "D"), (9, "!")], "        D!"),
        ([(5, "R"), (5, "!"), (6, "D")], "    R!D   "),
        ([(5, "R"), (5, "!"), (4, "D"), (6, "D")], "    D+D   "),
        ([(5, "R"), (5, "!"), (5, "D"), (5, "B")], "    D+B   "),
    ],
)
def test_marks_that_share_a_column_are_all_seen(marks: list[tuple[float, str]], letters: str) -> None:
    placed = mark_columns([_mark(day, glyph) for day, glyph in marks], lambda mark: int(mark.at), 10)
    assert "".join(placed.get(column, (" ", ""))[0] for column in range(10)) == letters


def test_a_cursor_that_goes_through_the_windows_comes_to_every_mark() -> None:
    marks = [_mark(day, "!") for day in (0, 7, 8, 13.5, 14, 40)]
    times = [7.0, 14.0, 21.0]
    seen = [[mark.at for mark in marks_of(marks, times, at)] for at in times]
    assert seen == [[0, 7], [8, 13.5, 14], [40]]
    assert [window_at(times, at) for at in (0, 7, 13.9, 14, 99)] == [0, 0, 0, 1, 2]


def test_before_its_first_window_a_chart_says_the_first_and_its_date() -> None:
    chart = monitor_charts(estimated_view(), None)[0]
    first = times_of((chart,))[0]
    assert readout(chart, first - 1) == readout(chart, first)
    assert "nothing" not in readout(chart, 0.0).text
    assert "no figures yet" in readout(replace(chart, series=(), empty="no figures yet"), first).text


def test_the_line_above_the_charts_leaves_whole_parts_out_the_least_important_first() -> None:
    view = monitor_view()
    whole = "".join(cell.text for cell in facts_line(view, Axis(), (0.0, 1.0)))
    assert "predictions" in whole
    for width in (120, 80, 60, 40):
        text = "".join(cell.text for cell in facts_line(view, Axis(), (0.0, 1.0), width)).rstrip()
        assert display_width(text) <= width
        assert all(part in whole for part in text.split("  ")), "no part is cut"
        assert f"{view.model} on {view.target}" in text
    assert "data clock" in "".join(cell.text for cell in facts_line(view, Axis(), (0.0, 1.0), 80))


@pytest.mark.parametrize(
    ("statistic", "value", "significant", "said"),
    [
        ("lasting_wider", 10.5, True,
         "▲ its spread drifts: 10.50 inside its band [8.000 12.00], but lasting_wider 0.210 of 0.120"),
        ("js", 10.5, True, "▲ its distribution drifts: 10.50 inside its band [8.000 12.00], but js 0.210 of 0.120"),
        ("recent_higher", 13.5, True, "▲ drifts: 13.50, expected 10.00 [8.000 12.00] from the reference"),
        ("js", 10.5, False, "● quiet: 10.50, expected 10.00 [8.000 12.00] from the reference"),
        ("js", 13.5, False, "● quiet: 13.50 outside its band [8.000 12.00], not significant; expected 10.00"),
    ],
)  # fmt: skip
def test_a_verdict_that_does_not_follow_from_the_course_says_what_it_follows_from(
    statistic: str, value: float, significant: bool, said: str
) -> None:
    view = monitor_view()
    course = Course(value=value, expected=10.0, low=8.0, high=12.0)
    of_wind = tuple(
        replace(
            d,
            window=replace(d.window, judged=True),
            finding=replace(d.finding, course=course, statistic=statistic, significant=significant),
        )
        for d in view.drift["wind"]
    )
    charts = monitor_charts(replace(view, drift={**view.drift, "wind": of_wind}), "wind")
    assert charts[PANELS.index("course")].headline.text.startswith(said)


def test_a_course_that_closed_windows_do_not_have_is_not_said_to_come() -> None:
    view = monitor_view()
    assert monitor_charts(view, "wind")[PANELS.index("course")].empty.startswith(
        "no course: no closed window"
    )
    before = monitor_charts(replace(view, drift={}), "wind")[PANELS.index("course")]
    assert before.empty.startswith("no course yet")


def test_no_traffic_is_said_only_where_nothing_has_come() -> None:
    before = replace(monitor_view(), traffic=(), events=315)
    so_far = "no window is closed yet: 315 predictions so far"
    for view, volume, latency in (
        (before, so_far, f"no latency yet: {so_far}"),
        (replace(before, events=0), "no traffic yet", "no latency yet: no traffic"),
    ):  # fmt: skip
        charts = monitor_charts(view, "wind")
        assert charts[PANELS.index("volume")].empty == volume
        assert charts[PANELS.index("latency")].empty == latency
    (first, *_) = monitor_view().traffic
    of_files = replace(before, traffic=(replace(first, finding=replace(first.finding, requests=0)),))
    assert monitor_charts(of_files, "wind")[PANELS.index("latency")].empty.startswith(
        "no latency: the predictions"
    )


def test_a_headline_names_the_version_of_its_figure_where_another_one_is_live() -> None:
    view = monitor_view()
    older = replace(
        view,
        version=2,
        performance=tuple(replace(found, version=1) for found in view.performance),
        drift={name: tuple(replace(f, version=1) for f in found) for name, found in view.drift.items()},
    )
    performance, drift, *_ = monitor_charts(older, "wind")
    assert "v1: 0.630" in performance.headline.text
    assert "v1: 0.210 of 0.120" in drift.headline.text
    same = replace(older, version=1)
    assert "v1" not in monitor_charts(same, "wind")[0].headline.text


def test_headlines_are_of_the_live_version_though_another_has_newer_windows() -> None:
    view = monitor_view(4)
    newer = monitor_view(8)
    seen = replace(
        view,
        performance=(*_of(1, view.performance), *_of(3, newer.performance[4:])),
        drift={"wind": (*_of(1, view.drift["wind"]), *_of(3, newer.drift["wind"][4:]))},
        traffic=(*_of(1, view.traffic), *_of(3, newer.traffic[4:])),
    )
    performance, wind, latency, volume, _course, quality = monitor_charts(seen, "wind")
    assert "0.670" in performance.headline.text
    assert "0.090 of 0.120" in wind.headline.text
    for chart in (performance, wind, latency, volume, quality, heat_map(seen, None)):
        assert "v3" not in chart.headline.text
    (row,) = feature_table(seen).rows
    assert "0.090" in [cell.text for cell in row.cells]
    assert "VERSION" not in [column.title for column in feature_table(seen).columns]

    only_v3 = replace(seen, drift={"wind": _of(3, newer.drift["wind"])})
    assert "VERSION" in [column.title for column in feature_table(only_v3).columns]
    assert "v3: 0.210 of 0.120" in monitor_charts(only_v3, "wind")[1].headline.text


def _of(version: int, findings: tuple[WindowFinding, ...]) -> tuple[WindowFinding, ...]:
    return tuple(replace(finding, version=version) for finding in findings)


def test_where_nothing_comes_any_more_no_headline_passes_for_the_present() -> None:
    view = monitor_view()
    flowing = monitor_charts(replace(view, state=state(Health.HEALTHY)), "score")
    assert "to 2013" not in flowing[1].headline.text
    for health in (Health.NO_TRAFFIC, Health.DOWN):
        charts = monitor_charts(replace(view, state=state(health)), "score")
        for chart in charts:
            assert chart.headline.tone == "dim"
            if not chart.has_points:
                continue
            assert chart.headline.text.endswith(" to 2013-07-29")


def state(health: Health) -> TargetState:
    """The state on record of the view's deployment, of which nothing else is known."""
    return TargetState(
        model="flight-delay",
        target="jfk",
        region="",
        product="",
        business_unit="",
        deployment=None,
        serving=ServingState.REMOTE,
        serving_error="",
        serving_version=1,
        reported_at=None,
        health=health,
        why="",
        grounds=(),
        since=None,
        port=None,
        performance=None,
        of_then=False,
        drifted=0,
        features=0,
        drift_window=None,
        p95_ms=None,
        rows_last_window=0,
        open_alerts=0,
        event_clock=None,
    )


def test_the_course_of_a_feature_is_drawn_beside_the_expected_one_with_its_band() -> None:
    view = monitor_view()
    of_wind = tuple(
        replace(
            d,
            finding=replace(
                d.finding,
                course=Course(value=9.0 + i, expected=10.0, low=8.0, high=12.0, beside="recent"),
            ),
        )
        for i, d in enumerate(view.drift["wind"])
    )
    chart = monitor_charts(replace(view, drift={**view.drift, "wind": of_wind}), "wind")[
        PANELS.index("course")
    ]
    assert chart.title == "wind mean"
    assert "expected 10.00 [8.000 12.00] from the days before" in chart.headline.text
    expected, now = chart.series
    assert {y for _, y in expected.points} == {10.0}
    assert [y for _, y in now.points] == [9.0 + i for i in range(len(of_wind))]
    assert {point[1:] for point in chart.bands[0].points} == {(8.0, 12.0)}
    assert "course of wind" in series_csv(replace(view, drift={"wind": of_wind}))
