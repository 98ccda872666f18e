"""What is typed goes where the reader meant it: never to a list while a line is typed, never to a view that is about to go."""

from pathlib import Path

import pytest
from test_approval_by_keyboard import footer
from textual.widgets import Static

from pilothouse.console.dialogs import Ask
from pilothouse.console.screenshots import settle
from pilothouse.domain.errors import UnavailableError
from pilothouse.operations.services import Services
from support import wait_until
from support.terminals import RUN, Terminal, screen_of

SLOW = """
import time
from pilothouse.console.screens.{module} import {view}
shown = {view}.show
def show(self, data):
    time.sleep(0.6)
    shown(self, data)
{view}.show = show
"""


async def test_news_from_elsewhere_do_not_take_the_keys_from_a_line_that_is_typed(make_console) -> None:
    for view, place in (("overview", "overview"), ("deployments", "deployments"), ("monitor", "monitor")):
        app = make_console("pat", start=view)
        async with app.run_test(size=(100, 30)) as pilot:
            await settle(pilot)
            await pilot.press("colon", "a", "l")
            app.view.show(app.view.data)
            await pilot.press("e", "r", "t", "s")
            assert app.focused is not None
            assert app.focused.value == "alerts", place
            await pilot.press("enter")
            await settle(pilot)
            assert app.view.SCOPE == "alerts"


@pytest.mark.parametrize(
    ("module", "view", "keys"),
    [("overview", "OverviewView", b"2:alerts\r"), ("models.models", "ModelsView", b"2:alerts\r")],
)
def test_a_burst_waits_for_a_screen_that_is_slow(
    workspace: Path, module: str, view: str, keys: bytes
) -> None:
    with Terminal(workspace, code=SLOW.format(module=module, view=view) + RUN) as terminal:
        wait_until(lambda: b"flight-delay" in terminal.output(), 30)
        terminal.write(keys)
        wait_until(lambda: b"going on" in terminal.output(), 30)
        assert b"Pause" not in terminal.output()


def test_what_is_typed_before_the_workspace_is_open_goes_to_the_first_view(workspace: Path) -> None:
    with Terminal(workspace) as terminal:
        wait_until(lambda: b"pilothouse" in terminal.output(), 30)
        terminal.write(b":fleet\r")
        wait_until(lambda: "fleet" in screen_of(terminal, 80, 24).display[0], 30, 0.2)


async def test_a_line_begun_in_trouble_goes_on_in_the_first_view(make_console) -> None:
    app = make_console("pat")
    opener = app.session.opener

    def fails() -> Services:
        raise UnavailableError("the disk is away")

    app.session.opener = fails
    async with app.run_test(size=(80, 24)) as pilot:
        while not app._in_trouble:
            await pilot.pause()
        await pilot.press("colon", *"jo")
        app.session.opener = opener
        app.look()
        await settle(pilot)
        assert app.view.SCOPE == "overview"
        await pilot.press(*"bs")
        await pilot.press("enter")
        await settle(pilot)
        assert app.view.SCOPE == "jobs"


async def test_a_request_that_is_not_there_is_left_by_esc(make_console) -> None:
    app = make_console("pat", start="evidence 77")
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        await pilot.press("a")
        assert "the request is not there" in footer(app)
        await pilot.press("escape")
        await settle(pilot)
        assert app.view.SCOPE == "approvals"


async def test_a_form_that_could_not_be_made_leaves_the_keys_to_the_view(make_console) -> None:
    app = make_console("sam", start="train zork")
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        assert any("zork" in str(widget.render()) for widget in app.view.query(Static))
        await pilot.press("7")
        await settle(pilot)
        assert app.view.SCOPE == "deployments"


async def test_out_of_the_fields_stays_out_after_a_page_was_read(make_console) -> None:
    app = make_console("sam", start="train flight-delay")
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        await pilot.press("escape", "question_mark", "escape", "colon", "escape", "7")
        await settle(pilot)
        assert app.view.SCOPE == "deployments"


@pytest.mark.parametrize(
    ("who", "options", "why"),
    [("pat", {"read_only": True}, "read-only"), ("sam", {}, "takes admin or operator")],
)
async def test_pause_as_a_command_is_refused_beforehand_like_its_key(make_console, who, options, why) -> None:
    app = make_console(who, **options)
    async with app.run_test(size=(120, 30)) as pilot:
        await settle(pilot)
        await pilot.press("colon", *"pause", "enter")
        await settle(pilot)
        assert not isinstance(app.screen, Ask)
        assert why in footer(app)


async def test_the_past_cannot_be_paused_and_arrows_in_a_field_do_not_travel(make_console) -> None:
    app = make_console("olga", start="train flight-delay")
    async with app.run_test(size=(120, 30)) as pilot:
        await settle(pilot)
        await app.run_command("at 2013-08-29")
        await settle(pilot)
        past = app.session.at
        assert past is not None
        await pilot.press("tab", "left", "right", "left")
        await settle(pilot)
        assert app.session.at == past
        await app.run_command("pause")
        await settle(pilot)
        assert not isinstance(app.screen, Ask)
        assert "this is the past" in footer(app)
