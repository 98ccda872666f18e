"""What cannot be shown is said in the place where it would stand, and nothing else is shown there."""

from dataclasses import replace

import pytest
from test_views import press, until

from pilothouse.console.screenshots import settle
from pilothouse.console.widgets.chart import ChartView
from pilothouse.domain.errors import NotFoundError
from pilothouse.sqlite import connection as sqlite_connection
from pilothouse.sqlite import write_queue
from support import example

SIZE = (80, 24)


def body(app) -> str:
    """What stands in place of the body; empty where the body is shown."""
    frame = app.view.frame
    assert frame.body.display is not frame.fault.display
    return str(frame.fault.render()) if frame.fault.display else ""


@pytest.mark.parametrize(
    ("start", "words"),
    [
        ("versions nosuch", "nosuch"),
        ("version flight-delay/99", "99"),
        ("lineage zork", "zork"),
        ("alert 999", "999"),
        ("incident 999", "999"),
        ("entry 9999", "no entry 9999"),
        ("evidence 77", "77"),
        ("job 99", "99"),
        ("compare flight-delay/1 zork/2", "zork"),
        ("monitor zork", "zork"),
    ],
)
async def test_what_is_not_there_is_said_in_its_place(make_console, start: str, words: str) -> None:
    app = make_console("pat", start=start)
    async with app.run_test(size=SIZE) as pilot:
        await settle(pilot)
        assert words in body(app)
        assert "^r reads again" in body(app), "it says what to do"
        await press(pilot, "j")
        assert words in body(app), "it stays until there is something else"


async def test_another_place_that_is_not_there_does_not_keep_the_figures_of_the_first(make_console) -> None:
    app = make_console("pat", start="monitor flight-delay jfk")
    async with app.run_test(size=SIZE) as pilot:
        await settle(pilot)
        await press(pilot, "colon", *"monitor flight-delay dc", "enter")
        assert "no target 'dc'" in body(app)
        assert app.view.data is None
        await press(pilot, "tab")
        assert body(app) == ""
        assert app.view.deployment[0] == "flight-delay"
        assert app.view.query_one("#chart0", ChartView).picture is not None


@pytest.mark.parametrize("start", ["evidence 3", "alert 3"])
async def test_what_was_not_there_yet_is_not_shown_under_the_banner_of_the_past(
    make_console, start: str
) -> None:
    app = make_console("pat", start=start)
    async with app.run_test(size=SIZE) as pilot:
        await settle(pilot)
        assert body(app) == ""
        await press(pilot, "at", *"2013-01-05", "enter")
        assert "3" in body(app)
        assert ":now" in body(app)
        assert app.view.data is None
        await app.run_command("now")
        await until(pilot, lambda: body(app) == "")
        assert app.view.data is not None


async def test_a_view_that_was_left_for_another_time_does_not_come_back_with_the_present(
    make_console,
) -> None:
    app = make_console("pat", start="alerts")
    async with app.run_test(size=SIZE) as pilot:
        await settle(pilot)
        await press(pilot, "enter", "w", "at", *"2013-01-05", "enter")
        assert body(app) != ""
        await press(pilot, "escape")
        assert body(app) != "", "the incident below is of the present as well"


async def test_a_refresh_that_fails_keeps_what_was_read(make_console, monkeypatch) -> None:
    app = make_console("pat", start="alert 1")
    async with app.run_test(size=SIZE) as pilot:
        await settle(pilot)

        def refuse(*_: object) -> None:
            raise NotFoundError("it went away")

        monkeypatch.setattr(app.view, "load", refuse)
        await press(pilot, "ctrl+r")
        await until(pilot, lambda: "it went away" in str(app.view.frame.footer.render()))
        assert body(app) == ""
        assert app.view.data is not None


async def test_a_long_message_stands_in_two_lines_and_whole_in_the_help(make_console) -> None:
    app = make_console("sam", start="legal-holds")
    async with app.run_test(size=SIZE) as pilot:
        await settle(pilot)
        await press(pilot, "p")
        footer = app.view.frame.footer
        assert footer.size.height == 2
        assert "you are data-scientist" in " ".join(str(footer.render()).split())
        await press(pilot, "j")
        assert footer.size.height == 1
        app.view.say("a disk is full " * 30, "bad")
        await pilot.pause()
        first, second = str(footer.render()).split("\n")
        assert second.endswith("… (? shows all)")
        assert max(len(first), len(second)) <= SIZE[0]
        await press(pilot, "question_mark")
        assert app.screen.query_one("#help").text.count("a disk is full") == 30


@pytest.mark.parametrize("start", ["models", "approvals", "jobs", "deployments", "overview"])
async def test_where_there_was_nothing_then_no_advice_for_now_is_given(make_console, start: str) -> None:
    app = make_console("pat", start=start)
    async with app.run_test(size=SIZE) as pilot:
        await settle(pilot)
        await press(pilot, "at", *"2013-01-05", "enter")
        grid = app.view.lists[0]
        assert grid.shown == 0
        words = "".join(segment.text for y in range(3) for segment in grid.render_line(y))
        assert "nothing of this was there at 2013-01-05" in words
        assert ":now" in words


async def test_the_banner_does_not_offer_in_the_past_what_is_possible_now(make_console) -> None:
    app = make_console("pat")
    async with app.run_test(size=SIZE) as pilot:
        await settle(pilot)
        status = app.session.status
        app.session.status = replace(status, daemon=replace(status.daemon, running=False))
        app.view.refresh_chrome()
        await pilot.pause()
        assert "sign, roll back" in str(app.view.frame.banner.render())
        await press(pilot, "at", *"2013-08-10", "enter")
        banner = str(app.view.frame.banner.render())
        assert "THE PAST" in banner
        assert "NO DAEMON" in banner
        assert "sign, roll back" not in banner


async def test_a_locked_database_is_waited_for_with_words_and_what_was_typed_is_kept(
    make_console, workspace, monkeypatch
) -> None:
    monkeypatch.setattr(sqlite_connection, "BUSY_TIMEOUT_MS", 500)
    monkeypatch.setattr(write_queue, "PATIENCE_S", 0.2)
    app = make_console("pat", start="evidence 3")
    async with app.run_test(size=SIZE) as pilot:
        await settle(pilot)

        def said() -> str:
            return app.view.frame.footer.last_message

        with example.opened(workspace) as other, other.registry.transaction():
            await press(pilot, "n", *"thin slices", "enter")
            await until(pilot, lambda: "waiting for others who write to the database" in said())
            await until(pilot, lambda: "is locked by another process" in said())
        assert "your text is kept" in said()
        await press(pilot, "n")
        assert app.screen.query_one("#answer").value == "thin slices"
        await press(pilot, "enter")
        await until(pilot, lambda: "comment kept" in said())
        await press(pilot, "n")
        assert app.screen.query_one("#answer").value == ""
