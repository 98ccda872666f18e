"""Decisions with a second component by keyboard: the agent in one key press, a masked passphrase, a pasted signature."""

from pathlib import Path

import pytest
from textual import events
from textual.widgets import Input

from pilothouse.console.screenshots import settle
from pilothouse.domain.identity.ssh_keys import read_key
from pilothouse.domain.promotion.statements import Component
from pilothouse.domain.records import PromotionRequest, RequestStatus
from pilothouse.operations.identity import passphrases, users
from pilothouse.operations.promotion import promotions
from pilothouse.operations.workspace import workspaces
from pilothouse.store.governance import printed_statements
from support import example
from support.soft_keys import SoftKey, agent

SECRET = "correct horse battery"


def prepare(workspace: Path, component: Component, soft: SoftKey | None = None) -> None:
    with example.opened(workspace) as services:
        ada, pat = example.person(services, "ada"), example.person(services, "pat")
        workspaces.set_workspace_policy(services, ada, signature=component, reason="a bank")
        if soft is not None:
            users.add_user(services, ada, "pat", keys=[read_key(soft.line)])
        if component is Component.PASSPHRASE:
            passphrases.set_passphrase(services, pat, SECRET)


def request_3(workspace: Path) -> PromotionRequest:
    with example.opened(workspace) as services:
        return promotions.get_request(services, example.person(services, "pat"), 3)


def text_of(app) -> str:
    return "\n".join(
        str(widget.render()) for widget in app.screen.query("#message, #label, #secret_label, #title")
    )


async def test_one_key_press_and_the_agent_signs(
    make_console, workspace, tmp_path, monkeypatch: pytest.MonkeyPatch
) -> None:
    soft = SoftKey()
    prepare(workspace, Component.KEY, soft)
    with agent(soft.write(tmp_path / "id")) as sock:
        monkeypatch.setenv("SSH_AUTH_SOCK", sock)
        app = make_console("pat", start="evidence 3")
        async with app.run_test(size=(80, 24)) as pilot:
            await settle(pilot)
            await pilot.press("a")
            await settle(pilot)
            assert soft.public.fingerprint in text_of(app)
            assert "I have reviewed the evidence and approve" in text_of(app)
            await pilot.press("enter")
            await settle(pilot)
            assert app.view.data.status is RequestStatus.DEPLOYED
            shown = "\n".join(str(line) for line in app.view.query_one("Pager")._lines)
            assert f"signed with {soft.public.fingerprint}" in shown
            await pilot.press("v")
            await settle(pilot)
            cells = (cell.text for line in app.view.query_one("Pager")._lines for cell in line.cells)
            assert f"approve by pat, signed with {soft.public.fingerprint}" in " ".join(
                " ".join(cells).split()
            )
    signature = request_3(workspace).decisions[0].signature
    assert signature is not None
    assert signature.fingerprint == soft.public.fingerprint


async def test_a_passphrase_is_masked_and_a_wrong_one_leaves_the_remark(make_console, workspace) -> None:
    prepare(workspace, Component.PASSPHRASE)
    app = make_console("pat", start="evidence 3")
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        await pilot.press("a", "enter")
        assert "type it first" in text_of(app)
        await pilot.press(*"a wrong one")
        secret = app.screen.query_one("#secret", Input)
        assert secret.password
        assert "wrong" not in str(secret.render_line(0))
        await pilot.press("enter", *"looks right", "enter")
        await settle(pilot)
        assert "your text is kept: wrong passphrase: 4 more tries" in app.view.frame.footer.last_message
        await pilot.press("a")
        await settle(pilot)
        assert app.screen.query_one("#answer", Input).value == "looks right"
        assert app.screen.query_one("#secret", Input).value == ""
        await pilot.press(*SECRET, "enter", "enter")
        for _ in range(1_000):  # a slow hash, by a thread of its own
            await pilot.pause(0.02)
            if app.view.data.status is RequestStatus.DEPLOYED:
                break
        assert app.view.data.status is RequestStatus.DEPLOYED
    assert request_3(workspace).decisions[0].reason == "looks right"


@pytest.mark.parametrize("by_keys", [False, True])
async def test_without_an_agent_a_signature_is_pasted(
    make_console, workspace, monkeypatch: pytest.MonkeyPatch, by_keys: bool
) -> None:
    soft = SoftKey()
    prepare(workspace, Component.KEY, soft)
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    app = make_console("pat", start="evidence 3")
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        await pilot.press("a")
        await settle(pilot)
        assert "no SSH agent is there" in text_of(app)
        await pilot.press(*"fine", "enter")
        await settle(pilot)
        assert soft.public.fingerprint in text_of(app)
        assert "ssh-keygen -Y sign -n approval@pilothouse" in app.clipboard
        with example.opened(workspace) as services, services.registry.read() as connection:
            (data,) = printed_statements.of_person(connection, 3, "pat", "approve")
        text = soft.sshsig(data).replace("\n", "\r\n")
        field = app.screen.query_one("#answer", Input)
        if by_keys:
            for line in text.split():
                field.insert_text_at_cursor(line)
                await pilot.press("enter")
        else:
            field.post_message(events.Paste(text))
            await pilot.pause()
            await pilot.press("enter")
        await settle(pilot)
        assert app.view.data.status is RequestStatus.DEPLOYED
    decision = request_3(workspace).decisions[0]
    assert (decision.reason, decision.signature is not None) == ("fine", True)


async def test_a_rejection_by_the_agent(
    make_console, workspace, tmp_path, monkeypatch: pytest.MonkeyPatch
) -> None:
    soft = SoftKey()
    prepare(workspace, Component.KEY, soft)
    with agent(soft.write(tmp_path / "id")) as sock:
        monkeypatch.setenv("SSH_AUTH_SOCK", sock)
        app = make_console("pat", start="evidence 3")
        async with app.run_test(size=(80, 24)) as pilot:
            await settle(pilot)
            await pilot.press("r")
            await settle(pilot)
            await pilot.press(*"too thin", "enter")
            await settle(pilot)
            assert app.view.data.status is RequestStatus.REJECTED
    assert request_3(workspace).decisions[0].signature is not None
