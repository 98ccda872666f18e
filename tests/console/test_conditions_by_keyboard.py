"""Approving on a condition by keyboard, and confirming it; keys that decide leave the footer once it is over."""

from pilothouse.console.screenshots import settle
from pilothouse.console.widgets.frame_parts import Footer
from pilothouse.operations.promotion.attached import conditions, documents
from pilothouse.operations.workspace import workspaces
from support import example


def footer(app) -> str:
    return str(app.view.query_one(Footer).render())


async def test_an_approver_makes_a_condition_and_whoever_holds_the_role_confirms_it(
    make_console, workspace
) -> None:
    app = make_console("pat", start="evidence 3")
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        assert "a approve" in footer(app)
        await pilot.press("o", *"look at snow", "enter")
        await settle(pilot)
        await pilot.press(*"never", "enter")
        await settle(pilot)
        assert "'never' is no time" in app.view.query_one(Footer).last_message
        await pilot.press("o", *"look at snow", "enter", *"approver 3d", "enter")
        await settle(pilot)
        assert app.screen is not app.view, "the decision itself is asked then"
        await pilot.press(*"fine", "enter")
        await settle(pilot)
        assert "request 3 is deployed" in app.view.query_one(Footer).last_message
    app = make_console("pat", start="evidence 3")
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        assert "a approve" not in footer(app)
        assert "r reject" not in footer(app)
        assert "f confirm" in footer(app)
        await pilot.press("f", *"seen", "enter")
        await settle(pilot)
        assert "condition 1 is confirmed" in app.view.query_one(Footer).last_message
        assert "f confirm" not in footer(app)
    with example.opened(workspace) as services:
        (one,) = conditions.list_conditions(services, example.person(services, "pat"), open_only=False)
        assert (one.text, one.by, one.remark) == ("look at snow", "approver", "seen")


async def test_a_document_that_is_missing_is_named_before_anything_is_asked(make_console, workspace) -> None:
    with example.opened(workspace) as services:
        ada = example.person(services, "ada")
        workspaces.set_workspace_policy(services, ada, documents={"validation report": True}, reason="bank")
    app = make_console("pat", start="evidence 3")
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        await pilot.press("a")
        assert app.screen is app.view
        assert 'missing: "validation report"' in app.view.query_one(Footer).last_message
        with example.opened(workspace) as services:
            documents.attach(
                services,
                example.person(services, "sam"),
                3,
                "validation report",
                "r\x1b[2J.pdf",
                b"\x1b]0;x\x07",
            )
        await pilot.press("ctrl+r")
        await settle(pilot)
        await pilot.press("a", "enter")
        await settle(pilot)
        assert "request 3 is deployed" in app.view.query_one(Footer).last_message
