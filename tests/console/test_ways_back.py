"""Esc comes back: from every view that a key opens to the view that it was opened from, with cursor and filter as they were."""

import shutil
from collections import Counter
from pathlib import Path

import pytest
from test_approval_by_keyboard import footer

from pilothouse.console.screens.base import View
from pilothouse.console.screenshots import settle
from pilothouse.console.session.actions import ACTIONS, TABS, actions_of
from pilothouse.console.widgets.grid import Grid
from support import example, example_extras

STARTS = {
    "overview": "overview", "models": "models", "versions": "versions flight-delay", "version": "version flight-delay/3",
    "compare": "compare flight-delay/1 flight-delay/3", "lineage": "lineage flight-delay/3", "approvals": "approvals",
    "evidence": "evidence 3", "monitor": "monitor flight-delay jfk", "rejected": "rejected", "outcomes": "outcomes",
    "jobs": "jobs", "job": "job 7", "trials": "trials 7", "train": "train flight-delay", "deployments": "deployments",
    "history": "history", "fleet": "fleet", "alerts": "alerts", "incident": "incident 1", "alert": "alert 1",
    "schedules": "schedules", "triggers": "triggers", "audit": "audit", "entry": "entry 5", "log": "log",
    "legal-holds": "legal-holds", "affected": "affected flight-delay/1", "inventory": "inventory",
    "rollouts": "rollouts", "rollout": "rollout 1", "replay": "replay 15", "runs": "runs", "run": "run 1",
    "outbox": "outbox", "silences": "silences", "prediction": "prediction jfk-1.1.3",
}  # fmt: skip
"""A command for each view that has actions."""

NO_WAY = {"leave", "back", "export", "copy"}


@pytest.fixture(scope="module")
def fuller_example(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("fuller") / "workspace"
    root.mkdir()
    example.build(root)
    example_extras.add(root)
    return root


@pytest.fixture
def workspace(fuller_example: Path, tmp_path: Path) -> Path:
    """In place of the fixture of all console tests: a search, triggers, holds and outcomes are there too."""
    root = tmp_path / "workspace"
    shutil.copytree(fuller_example, root)
    example.start_daemon(root)
    return root


def lists_of(view: View) -> list[tuple[str | None, int]]:
    return [(widget.key, widget.cursor) for widget in view.lists if isinstance(widget, Grid)]


async def press(pilot, *keys: str) -> None:
    for key in keys:
        await pilot.press(key)
        await settle(pilot)


async def come_back(pilot, before: View, key: str) -> None:
    """Esc closes a dialog, leaves a field, and then the view."""
    app = pilot.app
    if not isinstance(app.screen, View):
        await press(pilot, "escape")
    if app.view is before:
        return
    if app.view.SCOPE == "train":
        await press(pilot, "escape")
    if app.view is not before:
        await press(pilot, "escape")
    assert app.view is before, f"{key} leads to {app.view.SCOPE}, from where Esc does not come back"


def test_every_view_with_keys_is_walked() -> None:
    assert set(STARTS) >= {action.scope for action in ACTIONS} - {"everywhere"}


@pytest.mark.parametrize("scope", STARTS)
async def test_esc_comes_back_from_every_view_that_a_key_opens(make_console, scope: str) -> None:
    app = make_console("rex", start=STARTS[scope])
    async with app.run_test(size=(100, 30)) as pilot:
        await settle(pilot)
        before = app.view
        assert scope == before.SCOPE
        if isinstance(before.list_or_text(), Grid):
            await press(pilot, "down")
        everywhere = scope in ("overview", "monitor")  # a list and a view of its own stand for all
        for action in actions_of(scope):
            if not everywhere and action.scope != scope:
                continue
            own = action.name == f"go_{before.TOP}" and scope != before.TOP
            if action.name in NO_WAY or own:  # the digit of the place that one is in goes up to its list
                continue
            if scope == "train":
                await press(pilot, "escape") if app.focused is not None else None
            opened = len(app.screen_stack), app.current_mode
            stood = lists_of(before)
            await press(pilot, action.key_list[0])
            went = (len(app.screen_stack), app.current_mode) != opened
            await come_back(pilot, before, f"{action.key_list[0]} ({action.id})")
            if went:
                assert lists_of(before) == stood, action.id


async def test_a_long_way_is_walked_back_view_by_view(make_console) -> None:
    app = make_console("olga")
    async with app.run_test(size=(100, 30)) as pilot:
        await settle(pilot)
        way = []
        for keys in (
            ["8"],
            ["enter"],
            ["enter"],
            ["m"],
            ["a"],
            ["enter"],
            ["w"],
            ["m"],
            ["7"],
            ["enter"],
            ["a"],
        ):
            way.append((app.view, lists_of(app.view)))
            await press(pilot, *keys)
            assert app.view is not way[-1][0]
        while way:
            view, stood = way.pop()
            await press(pilot, "escape")
            assert (app.view, lists_of(app.view)) == (view, stood)
        await press(pilot, "escape")
        assert app.view.SCOPE == "overview"
        assert "q leaves the console" in footer(app)


async def test_cursor_and_filter_are_as_they_were(make_console) -> None:
    app = make_console("olga", start="jobs")
    async with app.run_test(size=(100, 30)) as pilot:
        await settle(pilot)
        await press(pilot, "slash", *"kind=train", "enter", "down")
        before, stood = app.view, lists_of(app.view)
        await press(pilot, "4", "escape")
        assert app.view is before
        assert (app.view.filter_text, lists_of(app.view)) == ("kind=train", stood)
        await press(pilot, "enter", "escape")
        assert (app.view.filter_text, lists_of(app.view)) == ("kind=train", stood)


async def test_what_a_key_narrowed_is_left_and_what_a_command_narrowed_is_widened_first(make_console) -> None:
    app = make_console("olga")
    async with app.run_test(size=(100, 30)) as pilot:
        await settle(pilot)
        await press(pilot, "l")
        assert (app.view.SCOPE, bool(app.view.model)) == ("alerts", True)
        await press(pilot, "escape")
        assert app.view.SCOPE == "overview"
        await press(pilot, "colon", *"alerts flight-delay", "enter", "escape")
        assert (app.view.SCOPE, app.view.model) == ("alerts", "")
        await press(pilot, "escape")
        assert app.view.SCOPE == "overview"


async def test_to_and_fro_between_two_digits_leaves_one_way_back(make_console) -> None:
    app = make_console("olga")
    async with app.run_test(size=(100, 30)) as pilot:
        await settle(pilot)
        await press(pilot, *"81818", "escape")
        assert app.view.SCOPE == "overview"
        await press(pilot, "escape")
        assert "nothing to go back to" in footer(app)


async def test_whoever_never_goes_back_does_not_fill_the_memory(make_console) -> None:
    app = make_console("olga", start="deployments")
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        for _ in range(45):
            await pilot.press("h")
        await settle(pilot)
        assert len(app.screen_stack) == 40
        scopes = Counter(view.SCOPE for view in app.screen_stack)
        assert scopes["history"] == 20
        await press(pilot, *["escape"] * 39)
        assert (app.view.SCOPE, len(app.screen_stack)) == ("deployments", 1)


@pytest.mark.parametrize("digit", [key for key, _, _ in TABS])
async def test_a_digit_shows_its_view_and_esc_comes_back(make_console, digit: str) -> None:
    app = make_console("olga", start="alert 1")
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        before = app.view
        await press(pilot, digit)
        if digit == "8":
            assert (app.view.SCOPE, len(app.screen_stack)) == ("alerts", 1)
        else:
            await come_back(pilot, before, digit)
