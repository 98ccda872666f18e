"""Notebook runs in the console: the list, one of them, and several beside each other."""

import re
import shutil
from pathlib import Path

import pytest
from test_approval_by_keyboard import footer
from test_more_views import column, grid, press

from pilothouse.console.screenshots import settle
from pilothouse.console.widgets.pager import Pager
from support import example, example_extras


@pytest.fixture(scope="module")
def fuller(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("fuller") / "workspace"
    root.mkdir()
    example.build(root)
    example_extras.add(root)
    return root


@pytest.fixture
def workspace(fuller: Path, tmp_path: Path) -> Path:
    root = tmp_path / "workspace"
    shutil.copytree(fuller, root)
    return root


async def test_runs_are_listed_opened_and_compared(make_console) -> None:
    app = make_console("sam", start="jobs")
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        await press(pilot, "n")
        assert app.view.SCOPE == "runs"
        assert column(app, "STATE") == ["lost", "failed", "done"]
        assert column(app, "RUN") == ["3", "2", "1"]
        await press(pilot, "equals_sign")
        assert "mark two runs" in footer(app)
        await press(pilot, "space", "space", "equals_sign")
        text = app.screen.query_one(Pager).text
        assert re.search(r"max_depth +\S*5 +\S*4", text)
        await press(pilot, "escape")
        grid(app).select("2")
        await press(pilot, "enter")
        assert app.view.SCOPE == "run"
        text = app.screen.query_one(Pager).text
        assert "ValueError: no rows" in text
        assert "newest 0.742" in text
        await press(pilot, "n")
        assert app.view.SCOPE == "runs"
        assert app.view.model == "flight-delay"
