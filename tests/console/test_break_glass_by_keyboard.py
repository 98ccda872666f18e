"""Breaking the glass by keyboard, and the red line that every other console shows until two have looked."""

from pilothouse.console.screenshots import settle
from pilothouse.console.widgets.frame_parts import Footer
from pilothouse.domain.identity.roles import Role
from pilothouse.operations.promotion import break_glass, deployments
from pilothouse.operations.workspace import workspaces
from support import example


def banner(app) -> str:
    return str(app.view.query_one("#banner").render())


async def test_an_operator_deploys_alone_and_two_others_look_at_it(make_console, workspace) -> None:
    with example.opened(workspace) as services:
        workspaces.set_break_glass(services, example.person(services, "ada"), allowed=True)
        workspaces.grant_role(services, example.person(services, "ada"), "pia", Role.APPROVER)
    app = make_console("olga", start="evidence 3")
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        await pilot.press("ctrl+g", "enter")
        assert app.screen is not app.view, "the dialog stays until a reason is typed"
        await pilot.press(*"nobody answers", "enter")
        await settle(pilot)
        assert "break-glass 1: version 3 is live until" in app.view.query_one(Footer).last_message
    for looked, name in enumerate(("pat", "pia")):
        app = make_console(name, start="evidence 3")
        async with app.run_test(size=(80, 24)) as pilot:
            await settle(pilot)
            assert f"{looked} of 2 have looked: request 3, flight-delay v3 on" in banner(app)
            await pilot.press("s", *"right", "enter")
            await settle(pilot)
    with example.opened(workspace) as services:
        vera = example.person(services, "pat")
        (glass,) = break_glass.list_broken(services, vera)
        assert glass.closed_at is not None
        assert glass.is_kept
        live = deployments.list_deployments(services, vera, model="flight-delay")
        assert {d.version for d in live} == {3}


async def test_who_takes_it_back_is_asked_first(make_console, workspace) -> None:
    with example.opened(workspace) as services:
        workspaces.set_break_glass(services, example.person(services, "ada"), allowed=True)
        before = {
            d.target: d.version
            for d in deployments.list_deployments(
                services, example.person(services, "pat"), model="flight-delay"
            )
        }
        break_glass.break_glass(services, example.person(services, "olga"), "flight-delay/3", reason="night")
        (glass,) = break_glass.list_broken(services, example.person(services, "pat"))
    app = make_console("pat", start=f"evidence {glass.request_id}")
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        await pilot.press("ctrl+t")
        assert app.screen is not app.view
        await pilot.press(*"worse", "enter")
        await settle(pilot)
    with example.opened(workspace) as services:
        live = deployments.list_deployments(services, example.person(services, "pat"), model="flight-delay")
        assert {d.target: d.version for d in live} == before
