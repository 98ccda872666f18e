"""The inventory by keyboard: a review is recorded by somebody who may, and the overview says what is open."""

from pathlib import Path

from test_approval_by_keyboard import footer
from textual.pilot import Pilot
from textual.widgets import Static

from pilothouse.console.screenshots import settle
from pilothouse.domain.audit.inventory import ReviewOutcome
from pilothouse.operations.dossier import inventory
from support import example


async def _answer(pilot: Pilot[int], text: str) -> None:
    pilot.app.screen.query_one("Input").value = text  # type: ignore[attr-defined]
    await pilot.press("enter")
    await settle(pilot)


async def test_a_review_is_recorded_with_what_was_found_and_why(make_console, workspace: Path) -> None:
    app = make_console("pat", start="models")
    async with app.run_test(size=(100, 30)) as pilot:
        await settle(pilot)
        await pilot.press("i")
        await settle(pilot)
        await pilot.press("r")
        await _answer(pilot, "splendid 2031-01-01")
        assert "'splendid' is no outcome" in footer(app)
        await pilot.press("r")
        await _answer(pilot, "unfit 2031-01-01")
        await _answer(pilot, "never saw snow")
        assert "unfit; the next review is due on 2031-01-01" in footer(app)
        assert "found unfit by pat" in str(app.view.query_one("#whole", Static).render())
        await pilot.press("1")
        await settle(pilot)
        assert "◆ open (:inventory): " in str(app.view.query_one("#waiting", Static).render())
    with example.opened(workspace) as services:
        (entry,) = inventory.open_items(services, example.person(services, "pat"))
        assert entry.review is not None
        assert (entry.review.outcome, entry.review.reason) == (ReviewOutcome.UNFIT, "never saw snow")


async def test_somebody_without_the_role_is_told_so(make_console) -> None:
    app = make_console("sam", start="inventory")
    async with app.run_test(size=(100, 30)) as pilot:
        await settle(pilot)
        await pilot.press("r")
        await settle(pilot)
        assert "you are data-scientist" in footer(app)
