"""Charts say in a description what they show; drawing makes lines of exactly the size asked for."""

import re
from dataclasses import replace

import pytest
from values import START, WEEK, monitor_view

from pilothouse.domain.monitoring import TimelineMark
from pilothouse.presentation.charts import drift_chart, monitor_charts, performance_chart
from pilothouse.presentation.plotting import draw
from pilothouse.presentation.tables import display_width
from pilothouse.presentation.work_pages import feature_table

SIZES = [(38, 7), (60, 16), (118, 30)]


def test_performance_shows_band_reference_and_verdict() -> None:
    chart = performance_chart(monitor_view())
    assert [series.name for series in chart.series] == ["low", "high", "reference", "auc"]
    assert {value for _, value in chart.series[2].points} == {
        reading.reference for reading in monitor_view().performance
    }
    assert chart.levels == ()
    assert (chart.headline.text, chart.headline.tone) == ("✖ worse 0.630 [0.600 0.660]", "bad")


def test_drift_shows_the_calibrated_threshold() -> None:
    chart = drift_chart(monitor_view(), "wind")
    assert chart.levels[0].value == 0.12
    assert chart.headline.text == "▲ drifts 0.210 of 0.120"


def test_drift_is_drawn_in_one_statistic_though_windows_were_judged_by_several() -> None:
    view = monitor_view()
    *older, last = view.drift["wind"]
    others = [
        replace(
            r,
            statistic="wasserstein",
            value=2.5,
            threshold=9.0,
            statistics={last.statistic: 0.1, "wasserstein": 2.5},
        )
        for r in older
    ]
    chart = drift_chart(replace(view, drift={"wind": (*others, last)}), "wind")
    assert len(chart.series[0].points) == len(others) + 1
    assert max(value for _, value in chart.series[0].points) < 1
    assert [level.value for level in chart.levels] == [last.threshold]


def test_marks_outside_the_axis_are_left_out_and_all_charts_share_it() -> None:
    charts = monitor_charts(monitor_view(), None)
    assert {(chart.start, chart.end) for chart in charts} == {
        ((START + WEEK).timestamp(), (START + 8 * WEEK).timestamp())
    }
    assert [(mark.glyph, mark.label) for mark in charts[0].marks] == [("D", "v1"), ("!", "performance")]


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_drawings_have_exactly_the_size_asked_for(width: int, height: int) -> None:
    for chart in monitor_charts(monitor_view(), "wind"):
        lines = draw(chart, width, height, colour=False).split("\n")
        assert len(lines) == height
        assert {display_width(line) for line in lines} == {width}


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
