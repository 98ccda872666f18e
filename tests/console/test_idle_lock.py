"""Idle lock: by keys and not by what is drawn; over everything; unlocked by the user's passphrase, else by coming again."""

from pathlib import Path

import pytest
from test_changes import until
from test_hostile_text import texts_on
from textual.pilot import Pilot
from textual.widgets import Input

from pilothouse.console.app import Console
from pilothouse.console.idle_lock import IdleLock, Locked
from pilothouse.console.screenshots import settle
from pilothouse.domain.identity.ssh_keys import read_key
from pilothouse.operations.identity import idle_lock, passphrases, users
from pilothouse.operations.workspace import audits
from support import example
from support.soft_keys import SoftKey, agent

PHRASE = "seven old bicycles"


class Clock:
    """Seconds that pass when the test says so."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def prepare(workspace: Path, *, passphrase: str = "") -> None:
    with example.opened(workspace) as services:
        idle_lock.set_idle_lock(services, example.person(services, "ada"), 600, "a hospital")
        if passphrase:
            passphrases.set_passphrase(services, example.person(services, "pat"), passphrase)


def timed(app: Console) -> Clock:
    clock = Clock()
    app.idle_lock = IdleLock(app, clock)
    return clock


async def lock(app: Console, clock: Clock, pilot: Pilot[object]) -> None:
    clock.now += 600
    app.idle_lock.check()
    await until(pilot, lambda: isinstance(app.screen, Locked) and "unlocks it" in seen(app))


def seen(app: Console) -> str:
    return "\n".join(texts_on(app))


def words(app: Console) -> str:
    """What is seen, without the frame of the dialog and the ends of its lines."""
    return " ".join(seen(app).replace("│", " ").split())


def actions(workspace: Path) -> list[str]:
    with example.opened(workspace) as services:
        return [entry.action for entry in audits.show(services, example.person(services, "ada"))]


async def test_it_locks_after_its_time_without_a_key_and_shows_nothing_else(
    make_console, workspace: Path
) -> None:
    prepare(workspace)
    app = make_console()
    clock = timed(app)
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        assert "flight-delay" in seen(app)
        clock.now += 599
        app.idle_lock.check()
        await pilot.press("j")
        clock.now += 599
        app.idle_lock.check()
        assert not isinstance(app.screen, Locked), "a key was pressed in between"

        await lock(app, clock, pilot)
        await until(pilot, lambda: "(pilothouse passphrase set)" in words(app))
        shown = seen(app)
        assert "locked: pat" in shown
        assert "nothing of yours unlocks it" in words(app)
        assert "no SSH key is bound to pat" in words(app)
        assert "connect with ssh -A" in words(app)
        for word in ("flight-delay", "ewr", "Models", "overview"):
            assert word not in shown
        for key in (
            "colon",
            "q",
            "5",
            "escape",
            "ctrl+p",
            "question_mark",
            "enter",
            "y",
            "ctrl+c",
            "tab",
            "x",
            "ctrl+q",
        ):
            await pilot.press(key)
            await settle(pilot)
            assert isinstance(app.screen, Locked), f"{key}: nothing but the passphrase opens it"
        app.look()
        await settle(pilot)
        assert "flight-delay" not in seen(app)
        await pilot.press("ctrl+d")
    assert app.return_value == 0
    assert actions(workspace)[0] == "session.locked"


async def test_the_passphrase_unlocks_it_and_a_wrong_one_counts(make_console, workspace: Path) -> None:
    prepare(workspace, passphrase=PHRASE)
    app = make_console()
    clock = timed(app)
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        await lock(app, clock, pilot)
        field = app.screen.query_one(Input)
        field.value = "a wrong guess of it"
        await pilot.press("enter")
        await until(pilot, lambda: "4 more tries" in seen(app))
        assert "guess" not in seen(app)
        field.value = PHRASE
        await pilot.press("enter")
        await until(pilot, lambda: not isinstance(app.screen, Locked) and "flight-delay" in seen(app))
        app.idle_lock.check()
        assert not isinstance(app.screen, Locked), "typing the passphrase was a key"
    assert [a for a in actions(workspace) if not a.startswith("session.o")][:3] == [
        "session.unlocked",
        "passphrase.wrong",
        "session.locked",
    ]


async def test_without_the_setting_it_never_locks(make_console, workspace: Path) -> None:
    app = make_console()
    clock = timed(app)
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        clock.now += 1e9
        app.idle_lock.check()
        assert not isinstance(app.screen, Locked)


async def test_the_persons_own_key_in_the_agent_unlocks_it(
    make_console, workspace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare(workspace)
    soft = SoftKey()
    with example.opened(workspace) as services:
        users.add_user(services, example.person(services, "ada"), "pat", keys=[read_key(soft.line)])
    with agent(soft.write(tmp_path / "id")) as socket:
        monkeypatch.setenv("SSH_AUTH_SOCK", socket)
        app = make_console()
        clock = timed(app)
        async with app.run_test(size=(80, 24)) as pilot:
            await settle(pilot)
            await lock(app, clock, pilot)
            await until(pilot, lambda: f"Enter unlocks it with {soft.public.fingerprint}" in words(app))
            assert not app.screen.query_one(Input).display, "there is no passphrase to type"
            monkeypatch.setenv("SSH_AUTH_SOCK", f"{socket}.gone")
            await pilot.press("enter")
            await until(pilot, lambda: "the SSH agent is not there" in words(app))
            assert isinstance(app.screen, Locked)
            monkeypatch.setenv("SSH_AUTH_SOCK", socket)
            await pilot.press("enter")
            await until(pilot, lambda: not isinstance(app.screen, Locked) and "flight-delay" in seen(app))
    assert actions(workspace)[0] == "session.unlocked"


async def test_either_unlocks_it_where_both_are_there(
    make_console, workspace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare(workspace, passphrase=PHRASE)
    soft = SoftKey()
    with example.opened(workspace) as services:
        users.add_user(services, example.person(services, "ada"), "pat", keys=[read_key(soft.line)])
    with agent(soft.write(tmp_path / "id")) as socket:
        monkeypatch.setenv("SSH_AUTH_SOCK", socket)
        app = make_console()
        clock = timed(app)
        async with app.run_test(size=(80, 24)) as pilot:
            await settle(pilot)
            for typed in (PHRASE, ""):
                await lock(app, clock, pilot)
                await until(pilot, lambda: "or type your passphrase" in words(app))
                app.screen.query_one(Input).value = typed
                await pilot.press("enter")
                await until(pilot, lambda: not isinstance(app.screen, Locked) and "flight-delay" in seen(app))
    with example.opened(workspace) as services:
        unlocked = [
            entry.detail["by"]
            for entry in audits.show(services, example.person(services, "ada"))
            if entry.action == "session.unlocked"
        ]
    assert unlocked == ["key", "passphrase"]
