"""Overview, fleet and deployments of a fleet that is larger than the screen: groups, folds, windows, and what is loaded."""

from pathlib import Path

import pytest
from textual.widgets import Static

from pilothouse.composition import open_workspace
from pilothouse.console.app import Console
from pilothouse.console.screenshots import settle
from pilothouse.console.session.options import ConsoleOptions
from pilothouse.console.widgets.grid import Grid
from pilothouse.operations.services import Services
from support import example, many_deployments

SMALL = (80, 24)
MODELS, TARGETS = 30, 20


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("large") / "workspace"
    root.mkdir()
    many_deployments.build(root, models=MODELS, targets=TARGETS)
    example.start_daemon(root)
    return root


@pytest.fixture
def app(large: Path):
    def opener() -> Services:
        services = open_workspace(large)
        services.now = lambda: example.NOW
        return services

    console = Console(opener, ConsoleOptions(user="ada", as_name="olga"), watching=False)
    yield console
    console.session.close()


def keys(app: Console, grid: str) -> list[str]:
    return [row.key for row in app.view.query_one(grid, Grid)._rows]


def words(app: Console, widget: str) -> str:
    return str(app.view.query_one(widget, Static).render())


async def press(pilot, *pressed: str) -> None:
    await pilot.press(*pressed)
    await settle(pilot)


async def test_groups_are_folded_where_there_are_more_models_than_rows_and_z_unfolds_one(app) -> None:
    async with app.run_test(size=SMALL) as pilot:
        await settle(pilot)
        assert len(keys(app, "#models")) == MODELS + 2
        await press(pilot, "b")
        assert app.view.by == "unit"
        assert all(key.count("/") == 1 for key in keys(app, "#models")), "folded: groups alone"
        first = keys(app, "#models")[0]
        await press(pilot, "z")
        unfolded = keys(app, "#models")
        assert unfolded[0] == first
        assert unfolded[1].startswith(f"{first}/")
        await press(pilot, "down", "down")
        assert app.view.subject_model().startswith("model-")
        await press(pilot, "z")
        assert app.view.query_one("#models", Grid).key == first, (
            "the cursor goes to the group that was folded"
        )
        assert all(key.count("/") == 1 for key in keys(app, "#models"))
        await press(pilot, "b")
        assert app.view.by == "region", "also from the row of a group"
        await press(pilot, "enter")
        assert any(key.count("/") == 2 for key in keys(app, "#models")), "⏎ unfolds a group"
        await press(pilot, "v")
        assert "choose a model" in app.view.frame.footer.last_message


async def test_the_cursor_stays_on_its_model_when_the_grouping_changes(app) -> None:
    async with app.run_test(size=(120, 60)) as pilot:
        await settle(pilot)
        await press(pilot, "down", "down", "down")
        model = app.view.subject_model()
        for by in ("unit", "region", "product", "labels.tier", ""):
            await press(pilot, "b")
            assert app.view.by == by
            assert app.view.subject_model() == model


async def test_below_stand_the_deployments_of_what_the_cursor_is_on_the_worst_first(app) -> None:
    async with app.run_test(size=SMALL) as pilot:
        await settle(pilot)
        shown = app.view.data
        assert {state.model for state in shown.targets} == {app.view.subject_model()}
        assert len(shown.targets) == TARGETS
        read = app.view._read
        await press(pilot, "down")
        assert {state.model for state in app.view.data.targets} == {app.view.subject_model()}
        assert app.view._read is read, "a move of the cursor reads the models again for nothing"
        await press(pilot, "b")
        group = app.view.data.groups[0]
        ranks = [state.health.rank for state in app.view.data.targets]
        assert ranks == sorted(ranks)
        assert app.view.data.total == sum(group.counts.values())
        assert group.why in words(app, "#why").replace("\n", " ")


async def test_a_filter_and_unhealthy_reach_into_folded_groups(app) -> None:
    async with app.run_test(size=SMALL) as pilot:
        await settle(pilot)
        await press(pilot, "b")
        await press(pilot, "slash", *"model-0003", "enter")
        found = keys(app, "#models")
        assert found
        assert all(key.endswith("/model-0003") or key.count("/") == 1 for key in found)
        members = [key for key in found if key.count("/") == 2]
        assert len(members) == 7, "a part of the model is in each unit"
        await press(pilot, "escape")
        await press(pilot, "ctrl+z")
        healths = {row.cells[0].text for row in app.view.query_one("#models", Grid)._rows}
        assert "● healthy" not in healths


async def test_the_tiles_count_deployments(app) -> None:
    async with app.run_test(size=(160, 40)) as pilot:
        await settle(pilot)
        counts = app.view.data.counts
        assert sum(count for _, count in counts) == MODELS * TARGETS + 3
        assert f"{MODELS * TARGETS + 3} deployments" in words(app, "#tiles")
        assert "not judged" in words(app, "#tiles")


async def test_the_fleet_loads_the_models_around_the_chosen_one(app) -> None:
    async with app.run_test(size=SMALL) as pilot:
        await settle(pilot)
        await press(pilot, "f")
        first = app.view.data.fleet
        assert len(first.window) == 2
        assert {state.model for state in first.states} == set(first.window)
        await press(pilot, "right", "right", "right")
        shown = app.view.data.fleet
        assert app.view.model == shown.models[3]
        assert app.view.model in shown.window
        assert {state.model for state in shown.states} == set(shown.window)
        assert f"of {MODELS + 2}" in words(app, "#summary") or len(words(app, "#summary")) > 60


async def test_deployments_are_a_window_the_worst_first(app) -> None:
    async with app.run_test(size=SMALL) as pilot:
        await settle(pilot)
        await press(pilot, "7")
        grid = app.view.query_one("#grid", Grid)
        assert grid.shown == MODELS * TARGETS + 3
        assert len(app.view.data.records) < grid.shown
        assert app.view.record.health.rank == 0
        await press(pilot, "end")
        assert app.view.record.health.rank >= 6
        await press(pilot, "slash", *"model=model-0004", "enter")
        assert grid.shown == TARGETS


async def test_a_model_without_a_version_before_is_not_rolled_back_and_says_why(app) -> None:
    async with app.run_test(size=SMALL) as pilot:
        await settle(pilot)
        await press(pilot, "7")
        await press(pilot, "ctrl+l")
        assert app.screen is app.view
        assert "no version before" in app.view.frame.footer.last_message
