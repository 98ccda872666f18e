"""Verdicts in words: a window without one is "not judged" wherever it is drawn, whatever its figure."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from pilothouse.domain.monitoring.alert_explanation import AlertExplanation, WindowVerdict
from pilothouse.domain.monitoring.findings import (
    DriftFinding,
    PerformanceFinding,
    Power,
    Window,
    WindowFinding,
)
from pilothouse.domain.monitoring.monitoring import FeatureDistribution, Health, MonitorView, Suspicion
from pilothouse.domain.records import Alert, AlertStatus
from pilothouse.presentation import verdicts
from pilothouse.presentation.cells import HEALTH
from pilothouse.presentation.charts.braille import draw
from pilothouse.presentation.charts.monitor_charts import distribution_picture, heat_map, monitor_charts
from pilothouse.presentation.charts.series_csv import COLUMNS, series_csv
from pilothouse.presentation.pages.alert_page import explanation_page
from pilothouse.presentation.pages.work_pages import feature_table

START = datetime(2013, 4, 8, tzinfo=UTC)
THIN = Window(start=START, end=START + timedelta(days=7), rows=292, judged=False)
MERGED = replace(THIN, judged=True, together=3, rows_together=876)
WHY = "292 of 300 rows in 7 d; minimum_rows = 200 would judge it"
FAR = DriftFinding(
    feature="wind",
    statistic="ks",
    value=0.459,
    threshold=0.091,
    p_value=1e-9,
    significant=False,
    statistics={"ks": 0.459},
)
WORSE = PerformanceFinding(
    metric="auc",
    value=0.5,
    low=0.4,
    high=0.6,
    reference=0.7,
    reference_low=0.68,
    reference_high=0.72,
    labelled_share=1.0,
)


def view(window: Window) -> MonitorView:
    return MonitorView(
        "flight-delay",
        "ewr",
        1,
        "auc",
        None,
        None,
        performance=(WindowFinding(window=window, finding=WORSE),),
        drift={"wind": (WindowFinding(window=window, finding=FAR),)},
        minimum_rows=300,
    )


def test_a_figure_five_times_its_threshold_is_not_quiet_where_it_was_not_judged() -> None:
    of = view(THIN)
    performance, drift, *_, quality = monitor_charts(of, "wind")
    assert (drift.headline.text, drift.headline.tone) == (f"○ not judged: {WHY}", "info")
    assert (performance.headline.text, performance.headline.tone) == (f"○ not judged: {WHY}", "info")
    assert quality.headline.tone == "info"
    assert heat_map(of, None).headline.text == f"○ not judged: {WHY}"
    assert feature_table(of).rows[0].cells[1].text == "○ not judged"
    shares = FeatureDistribution("m", "t", 1, "wind", THIN, (), 500, 292, 0.0, 0.0, FAR, 300)
    assert distribution_picture(shares, "wind").headline.text == f"○ not judged: {WHY}"


def test_windows_judged_together_are_counted_beside_their_verdict() -> None:
    of = view(MERGED)
    performance, drift, *_ = monitor_charts(of, "wind")
    assert drift.headline.text == "● quiet 0.459 of 0.091, 3 windows together, 876 rows"
    assert performance.headline.text == "● fine 0.500 [0.400 0.600], 3 windows together, 876 rows"
    suspected = replace(of, suspected=of.performance, suspicion=Suspicion(below=True, next_at=START))
    performance, *_ = monitor_charts(suspected, "wind")
    assert (performance.headline.text, performance.headline.tone) == (
        "△ suspected 0.500 [0.400 0.600], 3 windows together, 876 rows: below its reference, one more window decides on "
        "2013-04-08",
        "warn",
    )
    table = feature_table(of)
    assert [column.title for column in table.columns].index("WINDOWS") == 10
    assert [cell.text for cell in table.rows[0].cells][9:11] == ["876", "3"]
    shares = FeatureDistribution("m", "t", 1, "wind", MERGED, (), 500, 876, 0.0, 0.0, FAR, 300)
    assert distribution_picture(shares, "wind").notes[1].text == (
        "3 windows together: 2013-03-25 – 04-15, 876 rows, 0.0% missing"
    )


def test_a_heat_map_draws_a_window_without_a_verdict_as_a_ring() -> None:
    drawn = "".join(cell.text for line in draw(heat_map(view(THIN), None), 60, 8).lines for cell in line)
    assert "○" in drawn
    assert "▓" not in drawn
    judged = "".join(
        cell.text
        for line in draw(heat_map(view(replace(THIN, judged=True)), None), 60, 8).lines
        for cell in line
    )
    assert "○" not in judged
    assert "▓" in judged


def test_a_missing_reference_is_the_reason_where_rows_are_enough() -> None:
    enough = replace(THIN, rows=500)
    assert (
        verdicts.verdict_note(enough, 300, compared=False)
        == "not judged: there is no reference to compare it with"
    )


def test_the_words_of_the_command_line() -> None:
    assert verdicts.verdict_word(THIN, False, "drifts") == "not judged"
    assert verdicts.verdict_word(MERGED, True, "drifts") == "drifts"
    assert verdicts.verdict_word(MERGED, False, "drifts") == ""
    assert verdicts.rows_text(THIN) == "292"
    assert verdicts.rows_text(MERGED) == "292, 3 windows together: 876"
    assert verdicts.verdict_note(THIN, 300) == f"not judged: {WHY}"
    assert verdicts.verdict_note(MERGED, 300) == "judged: 3 windows together, 876 rows, since 2013-03-25"
    assert verdicts.verdict_note(replace(THIN, judged=True), 300) == ""


def test_the_csv_leaves_the_verdict_of_such_a_window_empty() -> None:
    def columns(window: Window) -> dict[str, str]:
        lines = series_csv(view(window)).splitlines()
        return dict(zip(COLUMNS, next(line for line in lines if ",drift ks" in line).split(","), strict=True))

    thin, merged = columns(THIN), columns(MERGED)
    assert (thin["significant"], thin["judged"], thin["together"], thin["rows_together"]) == (
        "",
        "0",
        "1",
        "292",
    )
    assert (merged["significant"], merged["judged"], merged["together"], merged["rows_together"]) == (
        "0",
        "1",
        "3",
        "876",
    )


def test_a_window_that_was_judged_again_says_why() -> None:
    again = replace(THIN, judged=True, revision=1, late="outcomes")
    performance, *_ = monitor_charts(view(again), "wind")
    assert performance.headline.text.endswith(", judged again: outcomes came late")
    assert verdicts.verdict_note(again, 300) == "judged again: outcomes came late"
    both = verdicts.verdict_note(replace(MERGED, revision=2, late="rows"), 300)
    assert (
        both == "judged: 3 windows together, 876 rows, since 2013-03-25, judged again: predictions came late"
    )
    assert verdicts.revised_verdict(THIN, False, None) == "not judged"
    assert verdicts.revised_verdict(again, True, 0.5) == "0.500, significant"


def test_a_suspected_loss_is_called_neither_worse_nor_fine() -> None:
    judged = replace(THIN, judged=True)
    assert verdicts.performance_verdict(judged, significant=True).text == "✖ worse"
    assert verdicts.performance_verdict(judged, significant=False).text == "● fine"
    for significant in (True, False):
        cell = verdicts.performance_verdict(judged, significant=significant, suspected=True)
        assert (cell.text, cell.tone) == ("△ suspected", "warn")
        assert verdicts.performance_word(judged, significant, suspected=True) == "suspected"
    assert verdicts.performance_word(judged, True, suspected=False) == "worse"
    assert verdicts.performance_word(judged, False, suspected=False) == ""
    assert verdicts.performance_verdict(THIN, significant=False, suspected=True).text == "○ not judged"


def test_each_health_has_a_glyph_of_its_own() -> None:
    assert set(HEALTH) == set(Health)
    assert len({glyph for glyph, _ in HEALTH.values()}) == len(Health)


def test_the_page_of_an_alert_does_not_call_a_suspected_window_quiet() -> None:
    judged = replace(THIN, judged=True)
    window = WindowVerdict(window=judged, value=0.58, bound=0.57, significant=False)
    alert = Alert(
        1, "m", 1, "jfk", "performance", "auc", "critical", AlertStatus.OPEN, START, START, "auc 0.5", "", {}
    )  # fmt: skip

    def page(of: WindowVerdict) -> str:
        told = AlertExplanation(alert, "auc, measured", "the reference", windows=(of,))
        return "\n".join("".join(cell.text for cell in line.cells) for line in explanation_page(told))

    assert "● quiet" in page(window)
    assert "△ suspected" in page(replace(window, suspected=True))
    assert "quiet" not in page(replace(window, suspected=True))


WEAK = Power(kind="shift", smallest=2.6, own_unit=18.44, statistic="ks", enough=False)


def test_a_feature_that_cannot_be_judged_is_never_quiet() -> None:
    judged = replace(THIN, judged=True)
    of = view(judged)
    blind = replace(of.drift["wind"][0].finding, power=WEAK)
    of = replace(of, drift={"wind": (replace(of.drift["wind"][0], finding=blind),)})
    _, drift, *_ = monitor_charts(of, "wind")
    assert (drift.headline.text, drift.headline.tone) == (
        "○ not judged: varies too much by itself, the smallest change found is 2.60 σ = 18.4",
        "info",
    )
    assert heat_map(of, None).headline.text == "● 0 of 1 drift in the newest window, 1 not judged"
    assert "○" in "".join(cell.text for line in draw(heat_map(of, None), 60, 8).lines for cell in line)
    cells = dict(
        zip((c.title for c in feature_table(of).columns), feature_table(of).rows[0].cells, strict=True)
    )
    assert (cells["VERDICT"].text, cells["FINDS"].text) == ("○ not judged", "2.60 σ = 18.4")
    assert verdicts.drift_word(judged, blind) == "not judged"
    notes = verdicts.blind_notes([blind])
    assert notes[0] == "not judged, varies too much by itself: wind"
    assert notes[1].startswith("what would help: a shorter reference")
    assert "smallest change found in wind (standard deviations)" in series_csv(of)


def test_a_feature_that_nobody_judges_is_never_quiet() -> None:
    """``monitoring.ignore``: measured, not among those that were looked at."""
    judged = replace(THIN, judged=True)
    finding = view(judged).drift["wind"][0].finding
    calendar = replace(finding, power=None, grounds=replace(finding.grounds, rank=0, looked_at=9))
    cell = verdicts.drift_verdict(judged, calendar)
    assert (cell.text, cell.tone) == ("○ left out", "info")
    assert verdicts.drift_word(judged, calendar) == "left out"
    assert verdicts.drift_verdict(judged, replace(calendar, significant=True)).text == "▲ drifts"


def test_a_judged_feature_says_what_it_finds() -> None:
    assert verdicts.power_text(None) == ""
    assert verdicts.power_text(Power(kind="share", smallest=0.123)) == "12 points"
    assert verdicts.power_text(Power(kind="shift", smallest=None, enough=False)) == "none"
    of = view(replace(THIN, judged=True))
    finding = of.drift["wind"][0].finding
    assert (
        verdicts.drift_figures(replace(finding, power=replace(WEAK, smallest=0.2, enough=True)))
        == "0.459 of 0.091, finds 0.20 σ = 18.4"
    )
    assert verdicts.blind_notes([finding]) == []
