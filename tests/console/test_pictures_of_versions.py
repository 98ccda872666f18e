"""The page of pictures of a version: beside the champion's, with a threshold that keys move; a file that is lost is named."""

from pilothouse.console.screenshots import settle
from pilothouse.console.widgets.frame_parts import Footer
from pilothouse.console.widgets.pager import Pager
from support import example


async def test_keys_move_the_threshold_of_the_confusion(make_console) -> None:
    app = make_console("sam", start="version flight-delay/3 pictures")
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        before = app.view.query_one(Pager).text
        assert "(AS IT ANSWERS; < AND > MOVE IT)" in before
        assert "dashed: v1, on its own rows" in before
        await pilot.press("greater_than_sign")
        await pilot.pause()
        moved = app.view.query_one(Pager).text
        assert "(IF IT ANSWERED SO)" in moved
        await pilot.press("less_than_sign")
        await pilot.pause()
        back = app.view.query_one(Pager).text
        assert before.splitlines()[3:6] == back.splitlines()[3:6]


async def test_the_key_says_where_it_does_something(make_console) -> None:
    app = make_console("sam", start="version flight-delay/3")
    async with app.run_test(size=(120, 24)) as pilot:
        await settle(pilot)
        await pilot.press("greater_than_sign")
        await pilot.pause()
        assert "a threshold is moved on the page of pictures" in str(app.view.query_one(Footer).render())


async def test_a_regression_has_no_threshold(make_console) -> None:
    app = make_console("sam", start="version bike-demand/1 pictures")
    async with app.run_test(size=(120, 24)) as pilot:
        await settle(pilot)
        assert "RESIDUALS" in app.view.query_one(Pager).text
        assert "threshold" not in str(app.view.query_one(Footer).render())
        await pilot.press("greater_than_sign")
        await pilot.pause()
        assert "only a model of two classes has a threshold" in str(app.view.query_one(Footer).render())


async def test_a_lost_file_of_pictures_leaves_the_other_pages(make_console, workspace) -> None:
    with example.opened(workspace) as services:
        for path in services.paths.artifacts.rglob("*"):
            if path.is_file() and path.read_bytes().startswith(b'{"form": 1, "task"'):
                path.unlink()
    app = make_console("sam", start="version flight-delay/3")
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        assert "stage" in app.view.query_one(Pager).text
        await pilot.press("right", "right")
        await pilot.pause()
        assert "cannot be shown" in app.view.query_one(Pager).text


async def test_the_evidence_of_a_request_leads_to_the_pictures_of_what_is_asked_for(make_console) -> None:
    app = make_console("sam", start="evidence 1")
    async with app.run_test(size=(100, 30)) as pilot:
        await settle(pilot)
        asked = app.view.data
        await pilot.press("i")
        await settle(pilot)
        assert (app.view.SCOPE, app.view.crumbs()[1:2]) == ("version", (asked.model,))
        assert "held-out rows" in app.view.query_one(Pager).text
