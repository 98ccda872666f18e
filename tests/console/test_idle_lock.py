"""Idle lock: by keys and not by what is drawn; over everything; unlocked by the user's passphrase, else by coming again."""

from pathlib import Path

from test_changes import until
from test_hostile_text import texts_on
from textual.pilot import Pilot
from textual.widgets import Input

from pilothouse.console.app import Console
from pilothouse.console.idle_lock import IdleLock, Locked
from pilothouse.console.screenshots import settle
from pilothouse.operations.identity import idle_lock, passphrases
from pilothouse.operations.workspace import audits
from support import example

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
        shown = seen(app)
        assert "locked: pat" in shown
        assert "no passphrase of yours unlocks it" in shown
        for word in ("flight-delay", "ewr", "Models", "pilothouse"):
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
