"""What other processes do comes on the screen by itself; trouble is said with what to do."""

import shutil
import sqlite3
import subprocess
import sys
import time
from datetime import UTC, date, datetime

import pytest
from test_approval_by_keyboard import footer

from pilothouse.console.screenshots import settle
from pilothouse.console.widgets.frame_parts import no_daemon
from pilothouse.domain.identity.roles import Role
from pilothouse.domain.monitoring.monitoring import DaemonState
from pilothouse.operations.fleet import replays
from pilothouse.operations.jobs import trainings
from pilothouse.operations.workspace import workspaces
from pilothouse.store.workspace import set_solo
from pilothouse.telemetry.windows import readings
from support import example


async def until(pilot, condition) -> None:
    """Wait for a condition."""
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end, "it did not come"
        await pilot.pause(0.02)


async def test_another_process_s_job_appears(make_console, workspace) -> None:
    app = make_console("pat", start="jobs", watching=True)
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        before = app.view.query_one("#grid").shown
        with example.opened(workspace) as services:
            trainings.start_training(
                services, example.person(services, "sam"), "flight-delay", reason="from elsewhere"
            )
        await until(pilot, lambda: app.view.query_one("#grid").shown == before + 1)


async def test_lost_daemon_is_said_at_once(make_console, workspace) -> None:
    app = make_console("pat", watching=True)
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        banner = app.view.query_one("#banner")
        assert not banner.display
        example.stop_daemon(workspace)
        await until(pilot, lambda: banner.display)
        words = str(banner.render())
        assert "NO DAEMON: nothing watched" in words
        assert "serve on" not in words, "what targets do is not known"


async def test_a_workspace_of_one_person_is_said_until_another_may_approve(make_console, workspace) -> None:
    app = make_console("pat", watching=True)
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        banner = app.view.query_one("#banner")
        assert not banner.display
        with example.opened(workspace) as services, services.registry.transaction() as connection:
            set_solo(connection, "pat")
        await until(pilot, lambda: banner.display)
        assert str(banner.render()) == (
            " ▲ SOLO: pat alone; four eyes is off until another approver is granted"
        )
        with example.opened(workspace) as services:
            workspaces.grant_role(services, example.person(services, "ada"), "vic", Role.APPROVER)
        await until(pilot, lambda: not banner.display)


def test_without_a_daemon_only_what_is_known_is_said() -> None:
    last = datetime(2013, 9, 2, 14, 2, tzinfo=UTC)
    first, second = no_daemon(DaemonState(False, None, last, last, ""), more=True)
    assert first == " ✖ NO DAEMON since 09-02 14:02: nothing watched; what you see is as of then"
    assert max(map(len, (first, second))) <= 80
    assert no_daemon(DaemonState(False, None, last, last, ""), more=False)[0].endswith(
        "pilothouse daemon start"
    )


async def test_a_view_of_the_registry_is_not_loaded_again_for_what_arrives_in_telemetry(
    make_console, workspace
) -> None:
    for start, loaded in (("jobs", False), ("monitor flight-delay jfk", True)):
        app = make_console("pat", start=start, watching=True)
        async with app.run_test(size=(80, 24)) as pilot:
            await settle(pilot)
            loads = []
            app.view.reload = lambda loads=loads: loads.append(1)
            before = app.session.status.versions
            with example.opened(workspace) as services, services.telemetry.transaction() as connection:
                readings.keep_calibration(connection, f"written while {start} is shown", b"")
            await until(pilot, lambda app=app, before=before: app.session.status.versions != before)
            assert bool(loads) is loaded


async def test_nothing_new_paints_nothing(make_console, workspace) -> None:
    app = make_console("pat", start="jobs")
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        shown = []
        app.view.show = shown.append
        await pilot.press("ctrl+r")
        await settle(pilot)
        assert shown == []


async def test_missing_registry_gets_a_screen_that_goes_when_it_is_back(make_console, workspace) -> None:
    registry = workspace / "state" / "registry.db"
    aside = workspace / "aside.db"
    shutil.move(registry, aside)
    app = make_console("pat", watching=True)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "pilothouse init" in _trouble(app))
        shutil.move(aside, registry)
        await until(pilot, lambda: app.current_mode == "overview")


async def test_newer_registry_says_to_install_a_newer_release(make_console, workspace) -> None:
    connection = sqlite3.connect(workspace / "state" / "registry.db")
    connection.execute("PRAGMA user_version = 9999")
    connection.commit()
    connection.close()
    app = make_console("pat")
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "install a newer Pilothouse" in _trouble(app))


async def test_registry_that_vanishes_is_said_and_what_was_read_stays(make_console, workspace) -> None:
    app = make_console("pat", start="models", watching=False)
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        app.session.services.close()
        for name in ("registry.db", "registry.db-wal", "registry.db-shm"):
            path = workspace / "state" / name
            if path.exists():
                path.rename(workspace / name)
        await pilot.press("ctrl+r")
        await until(pilot, lambda: "registry.db" in footer(app))
        assert app.view.query_one("#grid").shown == 2


def _trouble(app) -> str:
    found = app.view.query("#trouble")
    return str(found.first().render()) if found else ""


async def test_closing_while_the_watcher_looks_is_quiet(make_console) -> None:
    for _ in range(5):
        app = make_console("pat", watching=True)
        async with app.run_test(size=(80, 24)) as pilot:
            await settle(pilot)
            app.look()
        assert app.return_code in (None, 0)


@pytest.mark.parametrize("view", ["overview", "jobs", "monitor flight-delay jfk", "audit"])
async def test_a_replay_says_how_far_it_is_on_every_screen(view: str, make_console, workspace) -> None:
    clocks = {"flight-delay": date(2013, 8, 19), "bike-demand": date(2011, 7, 18)}
    with example.opened(workspace) as services:
        replays.announce(services, 140, 213, clocks)
    app = make_console("pat", start=view, watching=True)
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        banner = app.view.query_one("#banner")
        assert str(banner.render()) == (
            " ▶ demo: day 140 of 213 (flight-delay 2013-08-19, bike-demand 2011-07-18)"
        )
        assert banner.size.height == 1
        with example.opened(workspace) as services:
            replays.announce(services, 213, 213, {"flight-delay": date(2013, 11, 1)})
        await until(pilot, lambda: "ended on 2013-11-01: no more traffic comes" in str(banner.render()))


async def test_a_killed_replay_is_not_said_to_go_on(make_console, workspace) -> None:
    announce = (
        "import sys, time; from datetime import date; from pathlib import Path\n"
        "from pilothouse.composition import open_workspace; from pilothouse.operations.fleet import replays\n"
        "replays.announce(open_workspace(Path(sys.argv[1])), 140, 213, {'flight-delay': date(2013, 8, 19)})\n"
        "print('announced', flush=True); time.sleep(600)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", announce, str(workspace)], stdout=subprocess.PIPE, text=True
    ) as replay:
        assert replay.stdout is not None
        try:
            assert replay.stdout.readline() == "announced\n"
            app = make_console("pat", watching=True)
            async with app.run_test(size=(80, 24)) as pilot:
                await settle(pilot)
                banner = app.view.query_one("#banner")
                assert "▶ demo: day 140 of 213 (flight-delay 2013-08-19)" in str(banner.render())
                replay.kill()
                replay.wait()
                await until(pilot, lambda: "▶" not in str(banner.render()))
                assert "the replay stopped at day 140 of 213 (2013-08-19): no more traffic comes" in str(
                    banner.render()
                )
        finally:
            replay.kill()


async def test_without_a_replay_and_with_a_file_that_is_none_no_screen_speaks_of_one(
    make_console, workspace
) -> None:
    with example.opened(workspace) as services:
        assert replays.replay_state(services) is None
        for text in ("", "[]", "{}", '{"day": 1, "days": 2, "clocks": {}, "process": 3}'):
            services.paths.replay.write_text(text)
            assert replays.replay_state(services) is None
    app = make_console("pat", watching=True)
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        assert not app.view.query_one("#banner").display
