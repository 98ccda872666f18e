"""Stages of versions on the screens: in the list, on the page, in the past; what is asked before a promotion is."""

from datetime import timedelta

from pilothouse.console.screenshots import settle
from pilothouse.console.widgets.frame_parts import Footer
from pilothouse.console.widgets.grid import Grid
from pilothouse.console.widgets.pager import Pager
from pilothouse.operations.promotion import promotions
from support import example


def reject(workspace) -> None:
    with example.opened(workspace) as services:
        promotions.reject(services, example.person(services, "pat"), 3, "too few rows")


async def test_a_rejected_version_says_so_in_the_list_and_before_it_is_asked_for_again(
    make_console, workspace
) -> None:
    reject(workspace)
    app = make_console("sam", start="versions flight-delay")
    async with app.run_test(size=(160, 24)) as pilot:
        await settle(pilot)
        grid = app.view.query_one("#grid", Grid)
        assert [row.cells[1].text for row in grid._rows] == ["✖ rejected", "✖ refused", "● live"]
        await pilot.press("r")
        await pilot.pause()
        words = " ".join(str(app.screen.query_one("#message").render()).split())
        assert "It was rejected by pat on 2013-09-02 (request 3): too few rows." in words


async def test_the_list_is_filtered_and_sorted_by_stage(make_console, workspace) -> None:
    reject(workspace)
    app = make_console("sam", start="versions flight-delay")
    async with app.run_test(size=(120, 24)) as pilot:
        await settle(pilot)
        grid = app.view.query_one("#grid", Grid)
        await pilot.press("slash", *"stage=live", "enter")
        await settle(pilot)
        assert [row.key for row in grid._rows] == ["1"]
        await pilot.press("escape")
        await settle(pilot)
        letter = next(k for k, i in grid.sort_letters().items() if i == 1)
        await pilot.press(letter)
        await settle(pilot)
        assert [row.cells[1].text for row in grid._rows] == ["● live", "✖ refused", "✖ rejected"]


async def test_a_version_that_is_live_everywhere_is_not_asked_for(make_console) -> None:
    app = make_console("sam", start="version flight-delay/1")
    async with app.run_test(size=(120, 24)) as pilot:
        await settle(pilot)
        text = " ".join(app.view.query_one(Pager).text.split())
        assert (
            "stage live, activated 2013-07-04 06:30 by pat (request 1): figures and slices look right" in text
        )
        await pilot.press("r")
        assert app.screen is app.view
        assert "version 1 is live on every target already" in str(app.view.query_one(Footer).render())


async def test_the_past_shows_the_stage_of_then(make_console, workspace) -> None:
    with example.opened(workspace) as services:
        example.at(services, example.NOW + timedelta(days=1))
        promotions.reject(services, example.person(services, "pat"), 3, "too few rows")
    app = make_console("sam", start="versions flight-delay")
    async with app.run_test(size=(120, 24)) as pilot:
        await settle(pilot)
        grid = app.view.query_one("#grid", Grid)
        assert grid._rows[0].cells[1].text == "✖ rejected"
        await pilot.press("at", *"2013-09-02 06:29", "enter")
        await settle(pilot)
        stages = {row.key: row.cells[1].text for row in app.view.query_one("#grid", Grid)._rows}
        assert stages["3"] == "◆ requested"
