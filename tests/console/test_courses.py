"""Figures of records as charts: all versions of a model, all candidates of a search."""

from pilothouse.console.screenshots import settle
from pilothouse.console.widgets.pager import Pager
from pilothouse.domain.search import TrialLine, TrialState
from pilothouse.presentation.documents import plain_text
from pilothouse.presentation.pages.record_courses import trials_course


async def test_a_key_draws_each_metric_over_the_versions(make_console) -> None:
    app = make_console("sam", start="versions flight-delay")
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        await pilot.press("i")
        await settle(pilot)
        text = app.screen.query_one(Pager).text
        assert "auc of each version on its hold-out" in text.lower()
        assert "= compares two on the same rows" in text


def test_candidates_stand_by_their_number_and_the_best_is_named() -> None:
    trials = [
        TrialLine(2, {"depth": 8}, {0: 0.71, 1: 0.75}, 0.73, 1, (5,), TrialState.BEST),
        TrialLine(0, {"depth": 2}, {0: 0.61, 1: None}, 0.61, 1, (3,), TrialState.TRIED),
        TrialLine(1, {"depth": 4}, {}, None, 0, (), TrialState.WAITING),
    ]
    text = plain_text(trials_course(trials, "auc", 80))
    assert "best: candidate 3, 0.73" in text
    assert text.rstrip().endswith("candidate")
    assert "no candidate has been tried" in plain_text(trials_course(trials[2:], "auc", 80))


async def test_the_charts_fit_the_page_that_they_are_read_on(make_console) -> None:
    app = make_console("sam", start="versions flight-delay")
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        await pilot.press("i")
        await settle(pilot)
        pager = app.screen.query_one(Pager)
        drawn = [line for line in pager.text.splitlines() if "┤" in line or "│" in line]
        assert drawn
        assert max(map(len, drawn)) <= pager.scrollable_content_region.width
