"""The shortest way of an approver: inbox, evidence, signature, with keys alone."""

from pilothouse.console.screenshots import settle
from pilothouse.console.widgets.frame_parts import Footer
from pilothouse.console.widgets.grid import Grid
from pilothouse.domain.identity.roles import Role
from pilothouse.domain.records import RequestStatus
from pilothouse.operations.promotion import deployments, promotions
from pilothouse.operations.workspace import workspaces
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


async def test_who_trained_a_version_sees_why_they_cannot_sign(make_console, workspace) -> None:
    with example.opened(workspace) as services:
        workspaces.grant_role(services, example.person(services, "ada"), "sam", Role.APPROVER)
        asked = promotions.request_promotion(services, example.person(services, "olga"), "flight-delay/3")
    assert (asked.requested_by, asked.trained_by) == ("olga", "sam")
    app = make_console("sam", start=f"evidence {asked.id}")
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        assert lit(app) == {"reject", "comment", "version"}
        await pilot.press("a")
        assert app.screen is app.view
        assert "a approve: four eyes: you trained flight-delay/3" in footer(app)
        await pilot.press("w")
        assert "only olga, who made it, or an admin" in footer(app)
        await pilot.press("r", *"too few rows", "enter")
        await settle(pilot)
        assert app.view.data.status is RequestStatus.REJECTED
        assert lit(app) == {"comment", "version"}
        await pilot.press("r")
        assert "the request is rejected" in footer(app)


async def test_who_has_signed_sees_that_another_signature_is_needed(make_console, workspace) -> None:
    with example.opened(workspace) as services:
        workspaces.set_workspace_policy(services, example.person(services, "ada"), approvals=2)
        asked = promotions.request_promotion(services, example.person(services, "olga"), "flight-delay/3")
    app = make_console("pat", start=f"evidence {asked.id}")
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        assert lit(app) >= {"approve", "reject"}
        await pilot.press("a", *"fine", "enter")
        await settle(pilot)
        assert (app.view.data.status, app.view.data.approvals) == (RequestStatus.OPEN, 1)
        assert not lit(app) & {"approve", "reject"}
        for key in ("a", "r"):
            await pilot.press(key)
            assert app.screen is app.view
            assert "you have decided on it already" in footer(app)


async def test_a_request_that_has_expired_is_not_signed(make_console, workspace) -> None:
    app = make_console("pat", start="evidence 3")
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        expires = app.view.data.expires_at
        app.session.services.now = lambda: expires
        await pilot.press("a")
        assert app.screen is app.view
        assert "the request expired at" in footer(app)


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
        app.view.query_one("#grid", Grid).select("flight-delay/ewr")
        await pilot.press("ctrl+l")
        words = str(app.screen.query_one("#message").render())
        assert "ewr: version 3 → version 1" in words
        assert "v3 now: no data: no prediction of v3 has come yet" in words
        assert "v1 then: degraded: " in words
        assert "not well when it was last live: v1 on ewr" in words
        assert "jfk" not in words
        await pilot.press(*"wrong slices", "enter")
        await settle(pilot)
    with example.opened(workspace) as services:
        live = {
            d.target: d.version for d in deployments.list_deployments(services, pat, model="flight-delay")
        }
    assert live == {"ewr": 1, "jfk": 3}


def lit(app) -> set[str]:
    """The view's own actions whose keys are not dim."""
    keys = app.view.query_one(Footer)._keys
    return {action.name for action, allowed in keys if allowed and action.scope == app.view.SCOPE}


def footer(app) -> str:
    """What the bottom line says."""
    return " ".join(str(app.view.query_one(Footer).render()).split())
