"""One list of actions makes keys, footer, help and palette."""

import importlib
from collections import Counter

import pytest
from test_approval_by_keyboard import footer

from pilothouse.console.dialogs import help_lines
from pilothouse.console.screens.base import View
from pilothouse.console.screens.monitoring.alerts import AlertsView
from pilothouse.console.screenshots import settle
from pilothouse.console.session import views
from pilothouse.console.session.actions import ACTIONS, EVERYWHERE, actions_of
from pilothouse.domain.errors import InvalidInputError


@pytest.mark.parametrize("scope", sorted({action.scope for action in ACTIONS}))
def test_no_key_means_two_things_in_a_view(scope: str) -> None:
    keys = Counter(key for action in actions_of(scope) for key in action.keys.split(","))
    assert [key for key, count in keys.items() if count > 1] == []


@pytest.mark.parametrize("view", sorted(views.VIEWS))
def test_every_action_of_a_view_is_there(view: str) -> None:
    module, _, name = views.VIEWS[view].implementation.partition(":")
    screen: type[View] = getattr(importlib.import_module(f"pilothouse.console.screens.{module}"), name)
    assert view == screen.SCOPE
    assert views.VIEWS[view].top == screen.TOP
    missing = [a.name for a in ACTIONS if a.scope == view and not hasattr(screen, f"do_{a.name}")]
    assert missing == []


def test_help_names_every_key_and_why_not() -> None:
    text = "\n".join(
        "".join(cell.text for cell in line.cells) for line in help_lines("evidence", {"approve": "four eyes"})
    )
    assert "Approve on the evidence shown. — not now: four eyes" in text
    shown = [a for a in ACTIONS if a.scope in ("evidence", EVERYWHERE) and not a.name.startswith("go_")]
    assert all(action.help in text for action in shown)
    assert "0 audit" in text


async def test_palette_offers_the_actions_and_no_screenshot(make_console) -> None:
    app = make_console("pat")
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        titles = [command.title for command in app.get_system_commands(app.screen)]
    assert "versions (overview)" in titles
    assert not [title for title in titles if "screenshot" in title.casefold()]


async def test_what_is_said_to_a_view_that_was_opened_just_now_is_shown_once_it_is_there(
    make_console,
) -> None:
    app = make_console("pat")
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        view = AlertsView()
        opened = app.push_screen(view)
        await app.run_command("teapot")
        await opened
        await settle(pilot)
        assert app.view is view
        assert "there is no view 'teapot'" in footer(app)


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("monitor flight-delay ewr", views.Destination("monitor", ("flight-delay", "ewr"))),
        ("mon", views.Destination("monitor")),
        ("inbox", views.Destination("approvals")),
        ("vers flight-delay", views.Destination("versions", ("flight-delay",))),
        ("q", "quit"),
    ],
)
def test_commands_name_views_with_arguments(typed: str, expected: object) -> None:
    assert views.parse_command(typed) == expected


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("teapot", "there is no view 'teapot'"),
        ("t" * 9_999, "there is no view 'ttttttttttttttttttt…': try overview"),
        ("versions", "expected :versions MODEL"),
    ],
)
def test_wrong_commands_say_what_is_expected(typed: str, words: str) -> None:
    with pytest.raises(InvalidInputError, match=words):
        views.parse_command(typed)


def test_commands_complete_views_models_and_targets() -> None:
    names = (("bike-demand", "flight-delay"), ("ewr", "jfk"))
    assert views.completions("mon", *names)[0] == "monitor"
    assert views.completions("monitor fl", *names)[0] == "monitor flight-delay"
    assert views.completions("monitor flight-delay j", *names)[0] == "monitor flight-delay jfk"
    assert views.completions("audit x", *names) == []


@pytest.mark.parametrize(
    ("start", "command", "crumb"),
    [
        ("job 5", "job 6", "6 train bike-demand"), ("versions flight-delay", "version flight-delay/3", "v3"),
        ("version flight-delay/3", "versions flight-delay", "flight-delay"), ("evidence 3", "approvals", "open"),
        ("incident 1", "alert 3", "why 3 flight-delay"),
    ],
)  # fmt: skip
async def test_a_command_in_a_view_above_another_of_the_same_place_goes_there(
    make_console, start: str, command: str, crumb: str
) -> None:
    app = make_console(start=start)
    async with app.run_test(size=(120, 30)) as pilot:
        await settle(pilot)
        await pilot.press("colon", *command, "enter")
        await settle(pilot, command)
        assert crumb in " › ".join(app.view.crumbs())
        await pilot.press("question_mark")
        await settle(pilot)
        assert type(app.screen).__name__ == "Help", "it goes on answering"


async def test_colon_goes_to_a_view_and_esc_comes_back(make_console) -> None:
    app = make_console("pat")
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        await pilot.press("colon", *"vers", "tab", *" fl", "tab", "enter")
        await settle(pilot)
        assert app.view.SCOPE == "versions"
        assert app.view.model == "flight-delay"
        await pilot.press("escape")
        await settle(pilot)
        assert app.view.SCOPE == "overview"


async def test_wrong_command_is_said_and_nothing_moves(make_console) -> None:
    app = make_console("pat")
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        await pilot.press("colon", *"teapot", "enter")
        await pilot.pause()
        assert "there is no view 'teapot'" in footer(app)
        assert app.view.SCOPE == "overview"


async def test_filter_shows_matching_rows_and_esc_clears_it(make_console) -> None:
    app = make_console("pat", start="models")
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        grid = app.view.query_one("#grid")
        await pilot.press("slash", *"BIKE", "enter")
        assert (grid.shown, grid.key) == (1, "bike-demand")
        await pilot.press("escape")
        assert grid.shown == 2


async def test_pause_asks_for_a_reason_and_every_screen_says_so(make_console) -> None:
    app = make_console("olga", watching=True)
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        await pilot.press("exclamation_mark", *"freeze before the audit", "enter")
        for _ in range(100):
            await pilot.pause(0.05)
            if app.session.status.automation.paused:
                break
        for view in ("1", "5", "0"):
            await pilot.press(view)
            await settle(pilot)
            assert "AUTOMATION PAUSED by olga" in str(app.view.query_one("#banner").render())


async def test_training_form_hands_on_only_what_was_changed(make_console, workspace) -> None:
    app = make_console("sam", start="train flight-delay")
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        await pilot.pause(0.1)
        fields = {field.name: field for field in app.view.query("#form Input")}
        assert fields["training.parameters.max_iter"].value == "120"
        fields["training.parameters.max_iter"].value = "twelve"
        await pilot.press("ctrl+s")
        assert "max_iter: found 'twelve'; expected a whole number" in footer(app)
        fields["training.parameters.max_iter"].value = "60"
        fields["reason"].value = "half the trees"
        await pilot.press("ctrl+s", "enter")
        await settle(pilot)
    from pilothouse.operations.jobs import jobs
    from support import example

    with example.opened(workspace) as services:
        newest = jobs.list_jobs(services, example.person(services, "sam"), limit=1)[0]
    assert newest.options["overrides"] == {"training.parameters.max_iter": 60}
    assert newest.reason == "half the trees"


MODELS, TARGETS = ("bike-demand", "bike-return", "flight-delay"), ("dc", "ewr", "jfk")


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("mon fl j", ("monitor", "flight-delay", "jfk")),
        ("versions f", ("versions", "flight-delay")),
        ("version f/3 gates", ("version", "flight-delay/3", "gates")),
        ("compare f/1 bike-d/2", ("compare", "flight-delay/1", "bike-demand/2")),
        ("affected fl/1", ("affected", "flight-delay/1")),
        ("affected f00d", ("affected", "f00d")),
        ("jobs fail", ("jobs", "failed")),
        ("jobs all", ("jobs", "all")),
        ("alerts zork", ("alerts", "zork")),
        ("monitor flight-delay jfk ewr", ("monitor", "flight-delay", "jfk", "ewr")),
    ],
)
def test_a_beginning_of_a_name_is_enough_in_a_command(typed: str, meant: tuple[str, ...]) -> None:
    found = views.parse_command(typed, None, MODELS, TARGETS)
    assert (found.view, *found.arguments) == meant


def test_a_beginning_of_several_names_is_no_name() -> None:
    with pytest.raises(InvalidInputError, match="'bike' is the beginning of bike-demand, bike-return"):
        views.parse_command("versions bike", None, MODELS, TARGETS)
    exact = views.parse_command("versions bike", None, ("bike", *MODELS), TARGETS)
    assert exact.arguments == ("bike",), "a whole name is that model"
