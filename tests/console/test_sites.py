"""The console of several sites: one killed, one read-only, one of an older schema."""

import shutil
from collections import Counter
from pathlib import Path

import pytest

from pilothouse.console.session.actions import ACTIONS
from pilothouse.console.sites import app as sites_app
from pilothouse.console.sites.app import SitesConsole
from pilothouse.console.sites.keys import KINDS, LISTS, SITE_ACTIONS, SITES, actions_in
from pilothouse.console.widgets.grid import Grid
from pilothouse.domain.sites.acts import ACTS
from pilothouse.domain.sites.readings import Standing
from pilothouse.sites.asking import sites_of
from pilothouse.sites.last_states import LastStates
from support import PATIENCE_S, older_registry


@pytest.fixture
def places(workspace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Two workspaces that answer (the second in a moment read-only), and one of an older release."""
    second = tmp_path / "ewr"
    shutil.copytree(workspace, second)
    older = tmp_path / "lga"
    (older / "state").mkdir(parents=True)
    older_registry.make(older / "state" / "registry.db", 3, monkeypatch)
    (older / "state" / "registry.db").chmod(0o600)
    monkeypatch.setattr("pilothouse.sites.local.os_user", lambda: "ada")
    monkeypatch.setattr("pilothouse.sites.asking._HERE_S", 0.3)
    monkeypatch.setattr("pilothouse.sites.asking._EACH_S", 0.0)
    (second / "state" / "read-only.json").write_text(
        '{"cause": "person", "reason": "moving house", "since": "2026-05-03T12:00", "by": "ada"}'
    )
    return [workspace, second, older]


def screen_of(app: SitesConsole) -> str:
    strips = app.screen._compositor.render_strips()
    return "\n".join("".join(segment.text for segment in strip) for strip in strips)


async def until(pilot, condition) -> None:
    for _ in range(int(PATIENCE_S / 0.05)):
        await pilot.pause(0.05)
        if condition():
            return
    raise AssertionError(screen_of(pilot.app))


async def test_sites_are_shown_as_what_they_are_and_opened_in_their_own_console(
    places: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[list[str]] = []
    monkeypatch.setattr(sites_app, "_run", lambda command: opened.append(list(command)) or 0)
    monkeypatch.setattr(SitesConsole, "suspend", lambda _: __import__("contextlib").nullcontext())
    app = SitesConsole(sites_of([str(place) for place in places]), LastStates(tmp_path / "kept"))
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: all(one.standing is not Standing.UNKNOWN for one in app.readings))
        await until(pilot, lambda: "older schema" in screen_of(app) and "read-only, " in screen_of(app))
        assert [one.standing for one in app.readings] == [
            Standing.ANSWERS,
            Standing.READ_ONLY,
            Standing.OLDER,
        ]

        await pilot.press("end", "enter")
        assert opened == []
        assert "lga is not opened, older schema" in screen_of(app)

        await pilot.press("8")
        grid = app.query_one(Grid)
        await until(pilot, lambda: grid.shown >= 8)
        assert {row.split("\n")[0] for row in (grid.key or "",)} <= {"workspace", "ewr"}
        await pilot.press("slash", *"site=ewr", "enter")
        await until(pilot, lambda: grid.shown == 4)
        await pilot.press("enter")
        assert opened[-1][-5:-2] == ["-w", str(places[1]), "console"]
        assert opened[-1][-2] == "alert"

        await pilot.press("escape", "1", "home")
        places[0].rename(tmp_path / "gone")
        await until(pilot, lambda: app.readings[0].standing is Standing.AWAY)
        await until(pilot, lambda: "away since" in screen_of(app) and "was critical" in screen_of(app))
        assert app.readings[0].figures is not None
        await pilot.press("8")
        await until(pilot, lambda: "(stale)" in screen_of(app))
        await pilot.press("slash", *"site=workspace", "enter")
        await until(pilot, lambda: grid.shown == 4)
        await pilot.press("enter")
        assert "workspace is not opened, away" in screen_of(app)


def test_every_key_means_one_thing_wherever_the_cursor_is_and_does_something() -> None:
    for view, kinds in {SITES: ("",), **LISTS}.items():
        for kind in kinds:
            keys = Counter(key for action in actions_in(view, kind) for key in action.key_list)
            assert [key for key, count in keys.items() if count > 1] == []
    views = {action.name.removeprefix("go_") for action in SITE_ACTIONS if action.name.startswith("go_")}
    assert views == {SITES, *LISTS}
    acts = {(act.name, act.kind) for act in ACTS}
    assert acts == {(one.name, KINDS[one.scope]) for one in SITE_ACTIONS if one.scope in KINDS}
    others = [one.name for one in SITE_ACTIONS if one.scope not in KINDS and not one.name.startswith("go_")]
    assert [name for name in others if not hasattr(SitesConsole, f"do_{name}")] == []


def test_what_the_console_of_one_does_too_has_its_name_there() -> None:
    own = {"sites"}
    assert {one.id for one in SITE_ACTIONS if one.scope not in own} <= {one.id for one in ACTIONS}


async def test_another_list_begins_at_its_first_row_and_the_row_under_the_cursor_is_in_sight(
    places: list[Path], tmp_path: Path
) -> None:
    app = SitesConsole(sites_of([str(place) for place in places]), LastStates(tmp_path / "kept"))
    async with app.run_test(size=(80, 11)) as pilot:
        await pilot.press("8")
        grid = app.query_one(Grid)
        await until(pilot, lambda: grid.shown >= 8)
        await pilot.press("end")
        last = grid.key
        assert grid.cursor == grid.shown - 1
        await pilot.press("7")
        await until(pilot, lambda: grid.cursor == 0 and grid.key != last)
        await pilot.press("8")
        await until(pilot, lambda: grid.shown >= 8)
        site, _, number = str(last).split("\n")
        await pilot.press("slash", *f"site={site}", "enter", "end", "escape")
        await until(pilot, lambda: grid.shown >= 8)
        await pilot.pause()
        assert grid.scroll_offset.y <= grid.cursor < grid.scroll_offset.y + grid.size.height, number
