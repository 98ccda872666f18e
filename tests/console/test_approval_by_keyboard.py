"""The shortest way of an approver: inbox, evidence, signature, with keys alone."""

from pilothouse.console.screenshots import settle
from pilothouse.console.widgets.frame_parts import Footer
from pilothouse.domain.records import RequestStatus
from pilothouse.operations.promotion import deployments, promotions
from support import example


async def test_approver_signs_what_is_shown(make_console, workspace) -> None:
    app = make_console("pat")
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        await pilot.press("3")
        await settle(pilot)
        await pilot.press("enter")
        await settle(pilot)
        shown = app.view.data.evidence_digest
        await pilot.press("a", *"looks right", "enter")
        await settle(pilot)
        assert app.view.data.status is RequestStatus.DEPLOYED
    with example.opened(workspace) as services:
        pat = example.person(services, "pat")
        request = promotions.get_request(services, pat, 3)
        assert request.decisions[0].evidence_digest == shown
        assert request.decisions[0].reason == "looks right"
        live = {
            d.target: d.version for d in deployments.list_deployments(services, pat, model="flight-delay")
        }
        assert live == {"ewr": 3, "jfk": 3}


async def test_rejection_needs_a_reason(make_console, workspace) -> None:
    app = make_console("pat", start="evidence 3")
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        await pilot.press("r", "enter")
        assert app.screen is not app.view, "the dialog stays until a reason is typed"
        await pilot.press(*"slices too thin", "enter")
        await settle(pilot)
        assert app.view.data.status is RequestStatus.REJECTED


async def test_requester_is_told_why_they_cannot_sign(make_console) -> None:
    app = make_console("sam", start="evidence 3")
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        await pilot.press("a")
        assert app.screen is app.view
        assert "takes approver; you are data-scientist" in footer(app)


async def test_esc_leaves_everything_as_it_was(make_console, workspace) -> None:
    app = make_console("pat", start="evidence 3")
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        await pilot.press("a", *"no", "escape")
        await settle(pilot)
        assert app.view.data.status is RequestStatus.OPEN
        await pilot.press("escape")
        await settle(pilot)
        assert app.view.SCOPE == "approvals"


async def test_operator_rolls_back_one_target(make_console, workspace) -> None:
    with example.opened(workspace) as services:
        pat = example.person(services, "pat")
        request = promotions.get_request(services, pat, 3)
        promotions.approve(services, pat, 3, request.evidence_digest)
    app = make_console("olga", start="deployments")
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        await pilot.press("ctrl+l")
        words = str(app.screen.query_one("#words").render())
        assert "ewr: version 3 → version 1" in words
        assert "jfk" not in words
        await pilot.press(*"wrong slices", "enter")
        await settle(pilot)
    with example.opened(workspace) as services:
        live = {
            d.target: d.version for d in deployments.list_deployments(services, pat, model="flight-delay")
        }
    assert live == {"ewr": 1, "jfk": 3}


def footer(app) -> str:
    """What the bottom line says."""
    return " ".join(str(app.view.query_one(Footer).render()).split())
