"""Outbox and silences by keyboard; a receiver that takes nothing for long is a red line of the overview."""

from datetime import timedelta
from pathlib import Path

from test_approval_by_keyboard import footer
from textual.widgets import Static

from pilothouse.console.screenshots import settle
from pilothouse.domain.identity.roles import DAEMON, Permission
from pilothouse.domain.outbox.deliveries import ReceiverHealth
from pilothouse.domain.outbox.settings import AlertSettings, Receiver, ReceiverKind
from pilothouse.operations.authorisation import changing
from pilothouse.operations.outbox import silences
from pilothouse.store.outbox import deliveries, settings
from support import example

EVIL = "it answered \x1b]0;owned\x07 500"


def describe(workspace: Path, *, failing: bool = False) -> None:
    """Describe the receiver ``hook``; one that has failed for an hour."""
    with example.opened(workspace) as services, changing(services, DAEMON, Permission.RUN_DAEMON) as change:
        hook = Receiver("hook", ReceiverKind.WEBHOOK, "https://hooks.example.org", secret_env="HOOK")
        settings.put(change.connection, AlertSettings((hook,)), by="ada", at=change.at)
        if failing:
            since = services.now() - timedelta(hours=1)
            deliveries.put_health(change.connection, ReceiverHealth("hook", None, since, 9, EVIL))
        change.record("alerts.described", "alerts.toml")


async def answer(pilot, text: str) -> None:
    pilot.app.screen.query_one("Input").value = text
    await pilot.press("enter")
    await settle(pilot)


async def test_a_test_is_sent_and_a_silence_made_and_ended_by_keyboard(make_console, workspace: Path) -> None:
    describe(workspace)
    app = make_console("olga", start="alerts")
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        await pilot.press("b")
        await settle(pilot)
        assert "hook: nothing sent yet" in str(app.view.query_one("#receivers", Static).render())
        await pilot.press("t")
        await settle(pilot)
        await pilot.press("y")
        await settle(pilot)
        assert "on their way: 1 test message" in footer(app)
        assert "this is a test by olga" in str(app.view.query_one("#whole", Static).render())
        await pilot.press("s")
        await settle(pilot)
        await pilot.press("p")
        await answer(pilot, "flight-delay 2h")
        assert "is not LABEL=TEXT" in footer(app)
        await pilot.press("p")
        await answer(pilot, "model=flight-delay target=j* 2h")
        await answer(pilot, "works on the sensors")
        assert "works on the sensors" in str(app.view.query_one("#whole", Static).render())
        await pilot.press("ctrl+l")
        await answer(pilot, "done")
        assert "silence 1 is ended" in footer(app)
    with example.opened(workspace) as services:
        (ended,) = silences.list_silences(services, example.person(services, "vic"), over=True)
        assert (ended.made_by, ended.ended_by, ended.text) == (
            "olga",
            "olga",
            "model=flight-delay, target=j*",
        )


async def test_a_receiver_that_takes_nothing_for_long_is_a_red_line_of_the_overview(
    make_console, workspace: Path
) -> None:
    describe(workspace, failing=True)
    app = make_console("vic")
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        grave = app.view.query_one("#grave", Static)
        assert grave.display
        assert "✗ alerts do not arrive: hook takes nothing (it answered" in str(grave.render())
        assert "\x1b" not in str(grave.render())
