"""News in a list: a cursor at the top stays at the top and sees them; elsewhere the list counts those that came above."""

from pathlib import Path

import pytest

from pilothouse.console.screenshots import settle
from pilothouse.console.widgets.grid import Grid
from pilothouse.operations.jobs import jobs, trainings
from pilothouse.operations.promotion import promotions
from pilothouse.presentation.cell import Cell
from pilothouse.presentation.tables.table import Column, Row, Table
from support import example


def grid_of(app) -> Grid:
    return app.view.query_one("#grid", Grid)


def start_trainings(workspace: Path, count: int) -> list[int]:
    with example.opened(workspace) as services:
        sam = example.person(services, "sam")
        return [trainings.start_training(services, sam, "flight-delay").id for _ in range(count)]


async def press(pilot, *keys: str) -> None:
    for key in keys:
        await pilot.press(key)
        await settle(pilot)


async def test_a_cursor_at_the_top_of_a_long_list_goes_on_the_newest_row(
    make_console, workspace: Path
) -> None:
    app = make_console("sam", start="jobs")
    async with app.run_test(size=(100, 30)) as pilot:
        await settle(pilot)
        assert grid_of(app).has_focus
        newest = start_trainings(workspace, 2)[-1]
        await press(pilot, "ctrl+r")
        assert (grid_of(app).key, grid_of(app).cursor, grid_of(app).scroll_offset.y) == (str(newest), 0, 0)
        assert app.view.notes() == []


async def test_below_the_top_the_cursor_stays_and_the_list_counts_what_came(
    make_console, workspace: Path
) -> None:
    app = make_console("sam", start="jobs")
    async with app.run_test(size=(100, 30)) as pilot:
        await settle(pilot)
        await press(pilot, "down", "down")
        on = grid_of(app).key
        start_trainings(workspace, 2)
        await press(pilot, "ctrl+r")
        assert grid_of(app).key == on
        assert "2 newer above" in app.view.notes()
        start_trainings(workspace, 1)
        await press(pilot, "ctrl+r", "ctrl+r")
        assert "3 newer above" in app.view.notes()
        assert "3 newer above" in str(app.view.frame.header.render())
        await press(pilot, "down")
        assert "3 newer above" in app.view.notes()
        await press(pilot, *["up"] * 4)
        assert "2 newer above" in app.view.notes()
        await press(pilot, "home")
        assert app.view.notes() == []


async def test_the_overview_shows_what_happened_last_after_a_visit_to_the_past(
    make_console, workspace: Path
) -> None:
    app = make_console("sam", start="overview")
    async with app.run_test(size=(100, 40)) as pilot:
        await settle(pilot)
        feed = app.view.query_one("#feed", Grid)
        newest = feed.key
        await press(pilot, "at", *"2013-08-20", "enter")
        assert feed.key != newest
        await press(pilot, "colon", *"now", "enter")
        assert (feed.key, feed.cursor, feed.scroll_offset.y) == (newest, 0, 0)
        with example.opened(workspace) as services:
            sam = example.person(services, "sam")
            for request in promotions.list_requests(services, sam)[:1]:
                promotions.comment(services, sam, request.id, "seen")
        await press(pilot, "ctrl+r")
        assert feed.key != newest
        assert (feed.cursor, feed.scroll_offset.y) == (0, 0)


async def test_a_filter_another_subject_or_another_time_is_no_news(make_console, workspace: Path) -> None:
    app = make_console("sam", start="jobs")
    async with app.run_test(size=(100, 30)) as pilot:
        await settle(pilot)
        await press(pilot, "slash", *"kind=train", "enter", "down", "escape")
        assert not [note for note in app.view.notes() if "newer" in note]
        await press(pilot, "colon", *"jobs failed", "enter", "escape", "end", "J")
        assert not [note for note in app.view.notes() if "newer" in note]


async def test_a_list_that_is_there_whole_counts_too(make_console, workspace: Path) -> None:
    app = make_console("sam", start="models")
    async with app.run_test(size=(100, 30)) as pilot:
        await settle(pilot)
        view, grid = app.view, grid_of(app)

        def put(*names: str, news: bool = True) -> None:
            grid.expects_news = news
            grid.put(Table((Column("MODEL"),), tuple(Row(name, (Cell(name),)) for name in names), ""))
            grid.expects_news = False

        put("c", "d", "e", news=False)
        grid.begin_at_top()
        put("c", "d", "e", "f")
        assert grid.key == "c"
        put("b", "c", "d", "e")
        assert (grid.key, grid.newer) == ("b", 0)
        put("c", "b", "d", "e")
        assert grid.key == "b", "known rows in another order take nobody's row away"
        grid.select("d")
        grid.newer = 0
        put("a", "0", "c", "b", "d", "e")
        assert (grid.key, grid.newer) == ("d", 2)
        assert "2 newer above" in view.notes()


async def test_rows_that_only_change_places_are_no_news(make_console, workspace: Path) -> None:
    app = make_console("sam", start="jobs")
    async with app.run_test(size=(100, 30)) as pilot:
        await settle(pilot)
        grid = grid_of(app)

        def put(*names: str, news: bool = True) -> None:
            rows = tuple(Row(name, (Cell(name),)) for name in names)
            grid.expects_news = news
            grid.put(Table((Column("MODEL"),), rows, "", first=0, total=len(names)))
            grid.expects_news = False

        put("a", "b", "c", "d", news=False)
        grid.select("b")
        put("c", "a", "b", "d")
        assert (grid.key, grid.newer) == ("b", 0)
        put("new", "c", "a", "b", "d")
        assert (grid.key, grid.newer) == ("b", 1)


async def test_a_view_without_health_says_what_is_not_there(make_console) -> None:
    app = make_console("sam", start="approvals")
    async with app.run_test(size=(100, 30)) as pilot:
        await settle(pilot)
        await press(pilot, "ctrl+z")
        assert grid_of(app)._nothing() == "no request here is outdated or expired; ^z shows everything"


@pytest.mark.parametrize("keys", [["end"], ["pagedown", "pagedown"]])
async def test_rows_on_the_screen_stay_where_they_are(make_console, workspace: Path, keys: list[str]) -> None:
    start_trainings(workspace, 40)
    app = make_console("sam", start="jobs")
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        await press(pilot, *keys)
        line = grid_of(app).cursor - grid_of(app).scroll_offset.y
        start_trainings(workspace, 3)
        await press(pilot, "ctrl+r")
        assert grid_of(app).cursor - grid_of(app).scroll_offset.y == line
        assert "3 newer above" in app.view.notes()
    with example.opened(workspace) as services:
        assert len(jobs.list_jobs(services, example.person(services, "sam"), limit=100)) >= 43
