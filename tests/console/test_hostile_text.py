"""Text from outside never reaches the terminal raw, on no screen, and never ends the console."""

import re
import time
from pathlib import Path

import pytest
from test_snapshots import KEYS, VIEWS

from pilothouse.console.screenshots import settle
from pilothouse.console.session.views import parse_command
from pilothouse.domain.identity.roles import DAEMON
from pilothouse.operations.alerts import alerts
from pilothouse.operations.jobs import jobs, trainings
from pilothouse.operations.promotion import promotions
from pilothouse.operations.workspace import apply_models, workspaces
from pilothouse.store.deployed.alerts import NewAlert
from support import example, wait_until
from support.terminals import Terminal

NASTY = (
    "[/red]x", "[bold", "[@click=app.quit]x[/]", "\x1b]52;c;cm0gLXJm\x07", "\x1b[2J\x1b[H",
    "\x9b31m\x90q\x9c", "a\u202etxt.exe",
    "\u2066x\u2069", "👩‍👩‍👧‍👦🏳️‍🌈", "漢字かな交じり文", "z" + "\u0301" * 300, "\ud800",
    "tab\there\nnewline\rreturn", "\x00\x07\x08\x7f",
)  # fmt: skip
ESC = b"\x1b"
FORBIDDEN = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
SEQUENCES = re.compile(
    r"\x1b(\[[0-9;:?<>=]*[ -/]*[@-~]|[()][0-9A-B]|[=>78]|P[^\x1b]*\x1b\\|\]22;[a-z-]*\x07)"
)
"""What the console itself may send: cursor, colours, modes, the pointer's shape."""
KEPT = " ".join(NASTY).replace("\ud800", "")
"""What an operation lets in; surrogates are refused by the store and can only come from files."""


@pytest.fixture
def hostile(workspace: Path) -> Path:
    """The workspace with nasty text in every field that takes text."""
    model = workspace / "models" / "flight-delay" / "model.toml"
    quoted = KEPT.encode("unicode_escape").decode().replace("\\x", "\\u00").replace('"', "'")
    text = (
        model.read_text()
        .replace("flights team", quoted)
        .replace("Late arrivals of departures from New York", quoted)
    )
    model.write_text(text.replace('product = "departures"', f'product = "{quoted}"'))
    with example.opened(workspace) as services:
        apply_models.apply(services, workspaces.identify(services, "ada"))
        sam = example.person(services, "sam")
        promotions.comment(services, sam, 3, KEPT)
        promotions.withdraw(services, sam, 3, KEPT)
        promotions.request_promotion(services, sam, "models:/flight-delay/3", reason=KEPT)
        trainings.start_training(services, sam, "flight-delay", reason=KEPT)
        alerts.open_alert(services, NewAlert(
            model="flight-delay", version=1, target="jfk", kind="data_quality", subject=KEPT[:200],
            severity="critical",
            effective_at=example.NOW, summary=KEPT, explanation=KEPT, figures={KEPT[:60]: 1.0}, features=(KEPT[:60], "wind"),
        ))  # fmt: skip
        log = services.paths.step_folder(5, 1, 1, "fit") / "log.txt"
        log.write_bytes(
            "\n".join(NASTY).encode("utf-8", "surrogatepass") + b"\n\xff\xfe\x9b2J\n" + b"x" * 100_000 + b"\n"
        )
        jobs.cancel_job(services, sam, 6, reason=KEPT)
    assert DAEMON.name == "daemon"
    return workspace


async def test_no_control_character_on_any_screen(hostile: Path, make_console) -> None:
    app = make_console("pat")
    async with app.run_test(size=(120, 40)) as pilot:
        await settle(pilot)
        for view in (*VIEWS, "evidence 4", "alert 5"):
            await app.run_command(view)
            await settle(pilot, view)
            assert app.view.destination == parse_command(view)
            if view == "audit":
                await pilot.press("slash", *"request", "enter")
            await pilot.press("end")
            await settle(pilot, view)
            assert [text for text in texts_on(app) if FORBIDDEN.search(text)] == [], view
            assert app.return_code is None


@pytest.mark.parametrize("name", ["approve", "help", "roll-back", "command"])
async def test_dialogs_take_hostile_text(hostile: Path, make_console, name: str) -> None:
    view, keys = KEYS[name]
    app = make_console("olga" if view == "deployments" else "pat", start=view.replace("3", "4"))
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        await pilot.press(*keys)
        for field in app.screen.query("Input"):
            field.value = KEPT.replace("\n", " ")
        await settle(pilot)
        assert [text for text in texts_on(app) if FORBIDDEN.search(text)] == []


def test_no_control_byte_reaches_a_real_terminal(hostile: Path) -> None:
    with Terminal(hostile) as terminal:
        wait_until(lambda: b"flight-delay" in terminal.output(), 30)
        for keys in (
            b"2",
            b"\r",
            b"\r",
            b"3",
            b"\r",
            b"4",
            b"5",
            b"\r",
            b"6",
            ESC,
            b"7",
            b"8",
            b"\r",
            b"9",
            b"0",
            b"?",
            ESC,
        ):
            before = len(terminal.output())
            terminal.write(keys)
            wait_until(lambda before=before: len(terminal.output()) > before + 20, 10)
            quiet(terminal)
        terminal.write(b"q")
        assert terminal.process.wait(20) == 0
        written = terminal.output()
    assert b"\x1b]52" not in written
    text = SEQUENCES.sub("", written.decode("utf-8"))
    left = [
        text[max(0, m.start() - 20) : m.end() + 20] for m in FORBIDDEN.finditer(text) if m[0] not in "\r\n"
    ]
    assert left == []


def quiet(terminal: Terminal) -> None:
    """Wait until nothing has been written for a quarter of a second."""
    seen = [len(terminal.output()), time.monotonic()]

    def settled() -> bool:
        size = len(terminal.output())
        if size != seen[0]:
            seen[:] = [size, time.monotonic()]
        return time.monotonic() - seen[1] > 0.25

    wait_until(settled, 10)


def texts_on(app) -> list[str]:
    """Everything that the compositor would write, after the line filters, without its own escapes."""
    return [
        segment.text
        for strip in app.screen._compositor.render_strips()
        for segment in strip
        if not segment.control
    ]
