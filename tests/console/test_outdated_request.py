"""A request that can no longer be decided, on the screens: marked, explained, out of everybody's way, asked anew with one
key."""

from datetime import timedelta

import pytest

from pilothouse.console.screenshots import settle
from pilothouse.console.widgets.frame_parts import Footer
from pilothouse.console.widgets.grid import Grid
from pilothouse.console.widgets.pager import Pager
from pilothouse.domain.jobs.jobs import JobStatus
from pilothouse.domain.records import RequestStatus
from pilothouse.operations.jobs import jobs
from pilothouse.operations.promotion import deployments, promotions
from support import example


@pytest.fixture
def outdated(workspace) -> int:
    """Number of a request of version 4 for one target, which compares with version 3: version 1 is live there again."""
    with example.opened(workspace) as services:
        sam, pat, olga = (example.person(services, name) for name in ("sam", "pat", "olga"))
        for job in jobs.list_jobs(services, olga, status=JobStatus.QUEUED):
            jobs.cancel_job(services, olga, job.id)
        third = promotions.request_promotion(services, sam, "flight-delay/3", targets=["ewr"])
        promotions.approve(services, pat, third.id, third.evidence_digest)
        fourth = example.add_version(services, "flight-delay", auc=0.75, seed=9)
        request = promotions.request_promotion(
            services, sam, f"flight-delay/{fourth.number}", targets=["ewr"], reason="summer rows"
        )
        example.at(services, example.NOW + timedelta(minutes=1))
        deployments.roll_back(services, olga, "flight-delay", reason="slow")
        return request.id


async def test_it_waits_for_nobody_and_its_page_says_what_changed(make_console, outdated: int) -> None:
    app = make_console("pat", start="approvals")
    async with app.run_test(size=(160, 24)) as pilot:
        await settle(pilot)
        (row,) = app.view.query_one("#grid", Grid)._rows
        texts = [cell.text for cell in row.cells]
        assert "▲ outdated" in texts
        assert texts[0] == " "
        assert texts[-1] == "compared with v3 on ewr; v1 is live there since 2013-09-02"
        await pilot.press("enter")
        await settle(pilot)
        text = app.view.query_one(Pager).text
        assert (
            "Outdated: compared with v3 on ewr; v1 is live there since 2013-09-02. e asks anew"
            in " ".join(text.split())
        )
        await pilot.press("a")
        assert "a approve: outdated, compared with v3" in footer(app)
        await pilot.press("1")
        await settle(pilot)
        assert not app.view.query_one("#waiting").display


@pytest.mark.parametrize("start", ["approvals", "evidence"])
async def test_one_key_asks_anew(make_console, workspace, outdated: int, start: str) -> None:
    app = make_console("olga", start=f"evidence {outdated}" if start == "evidence" else "approvals")
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        await pilot.press("e")
        await pilot.pause()
        assert app.screen is not app.view
        await pilot.press("enter")
        await settle(pilot)
    with example.opened(workspace) as services:
        pat = example.person(services, "pat")
        assert promotions.get_request(services, pat, outdated).status is RequestStatus.SUPERSEDED
        (again,) = promotions.waiting_for(services, pat)
        assert (again.requested_by, again.reason, again.targets) == ("olga", "summer rows", ("ewr",))


async def test_one_that_holds_is_not_asked_anew(make_console) -> None:
    app = make_console("sam", start="evidence 3")
    async with app.run_test(size=(120, 24)) as pilot:
        await settle(pilot)
        await pilot.press("e")
        assert app.screen is app.view
        assert "nothing needs asking anew" in footer(app)


async def test_only_what_can_no_longer_be_decided_is_unhealthy(make_console, outdated: int) -> None:
    app = make_console("pat", start="approvals")
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        await pilot.press("o")
        await settle(pilot)
        grid = app.view.query_one("#grid", Grid)
        assert grid.shown == 5
        await pilot.press("ctrl+z")
        await settle(pilot)
        assert [row.key for row in grid._rows] == [str(outdated)]


def footer(app) -> str:
    return " ".join(str(app.view.query_one(Footer).render()).split())
