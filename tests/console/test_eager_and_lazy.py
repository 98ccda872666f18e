"""The console under both kinds of asyncio tasks: those that begin inside the call that makes them (``App.run`` from Python 3.12
on), and those that begin when the loop comes round (before that, and in ``App.run_test``)."""

import asyncio

import pytest
from test_snapshots import KEYS, PAGES, VIEWS
from textual.widgets import Input

from pilothouse.console.screenshots import settle

pytestmark = [
    pytest.mark.eager_and_lazy,
    pytest.mark.skipif(
        not hasattr(asyncio, "eager_task_factory"),
        reason="Python 3.11 has lazy tasks alone, which all other tests run with",
    ),
]
SIZE = (80, 24)


async def test_the_tasks_are_those_that_the_test_is_named_for(request: pytest.FixtureRequest) -> None:
    begun: list[bool] = []

    async def begin() -> None:
        begun.append(True)

    task = asyncio.create_task(begin())
    assert bool(begun) is ("eager" in request.node.name)
    await task


@pytest.mark.parametrize("view", VIEWS)
async def test_every_view_is_the_first_one(make_console, view: str) -> None:
    app = make_console("olga", start=view)
    async with app.run_test(size=SIZE) as pilot:
        await settle(pilot, view)
        assert (app.view.SCOPE, app.view.fault) == (view.split()[0], "")
        assert app.screen_stack[-1] is app.view


async def test_every_view_is_reached_from_another_and_takes_the_keys(make_console) -> None:
    app = make_console("olga")
    async with app.run_test(size=SIZE) as pilot:
        await settle(pilot)
        for view in (*VIEWS, *PAGES):
            if app.view.SCOPE == "train":  # out of its fields, which take letters
                await pilot.press("escape")
            await pilot.press("colon", *view, "enter")
            await settle(pilot, view)
            assert view.split()[0] == app.view.SCOPE, view
            assert app.view.fault == "", view
            if view.split()[0] != "train":
                await pilot.press("question_mark")
                await settle(pilot, view)
                assert app.screen is not app.view, f"{view}: the help is open"
                await pilot.press("escape")
                await settle(pilot, view)
                assert app.screen is app.view, view


@pytest.mark.parametrize("name", KEYS)
async def test_what_keys_open_is_there(make_console, name: str) -> None:
    view, keys = KEYS[name]
    app = make_console("olga" if view == "deployments" else "pat", start=view)
    async with app.run_test(size=SIZE) as pilot:
        await settle(pilot, view)
        before = app.export_screenshot()
        for key in keys:
            await pilot.press(key)
            await settle(pilot, view)
        assert app.export_screenshot() != before, "something is different"


@pytest.mark.parametrize("burst", [":jobs\r", "5", ":alerts\r2"])
async def test_what_is_typed_in_one_burst_arrives_in_order(make_console, burst: str) -> None:
    app = make_console("pat")
    async with app.run_test(size=SIZE) as pilot:
        await settle(pilot)
        names = {":": "colon", "\r": "enter"}
        await pilot.press(*(names.get(c, c) for c in burst))
        await settle(pilot)
        assert {":jobs\r": "jobs", "5": "jobs", ":alerts\r2": "models"}[burst] == app.view.SCOPE


async def test_a_form_behind_a_fault_takes_no_keys(make_console) -> None:
    app = make_console("sam", start="train")
    async with app.run_test(size=SIZE) as pilot:
        await settle(pilot)
        await pilot.press("escape", "colon", *"train", " ", *"zork", "enter")
        await settle(pilot)
        assert "zork" in app.view.fault
        assert not isinstance(app.focused, Input)
        await pilot.press("7")
        await settle(pilot)
        assert app.view.SCOPE == "deployments"
