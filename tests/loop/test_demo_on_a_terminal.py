"""``pilothouse demo`` as a newcomer sees it on a terminal of 80×24: every row of the README's table of keys, in its order.

The replay is shorter and faster than a newcomer's, so that it takes half a minute.
"""

import re
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from pilothouse.demo import workspace
from support import wait_until
from support.terminals import Terminal, screen_of

pytestmark = pytest.mark.loop
README = Path(__file__).parents[2] / "README.md"
BYTES = {"⏎": b"\r", "↓": b"\x1b[B", "→": b"\x1b[C", "^l": b"\x0c"}
LAST_DAY = "2013-07-01"
SHOWN: dict[str, Sequence[str]] = {
    "1": (r"^ overview ", r"HEALTH +MODEL", r"flight-delay", r"bike-demand", r"LATELY"),
    "⏎": (r"^ monitor › \S+ › \S+", r"p95", r"volume", r"reference|ref$|base|drift|quiet"),
    "↓ →": (r"^ monitor › ", r"│\d\d-\d\d (meas|p95|rows|est)"),
    "8 ⏎ ⏎": (r"^ alerts › why \d+ ", r"WHY IT FIRED|◀ fired"),
    "5 ⏎": (r"^ jobs › \d+ train bike-demand", r"by +daemon .*alert \d+ on dc"),
    "3 ⏎": (r"^ approvals › request \d+ › bike-demand v2 → dc", r"CHANGES SINCE VERSION"),
    "a ⏎": (r"● deployed  bike-demand version 2", r"approve  petra"),
    "7 /dc ⏎ ^l": (r"Roll back bike-demand\?", r"dc: version 2 → version 1, at once", r"reason \(required\)"),
    "f": (r"^ deployments › fleet", r"us-east"),
    "@ 2013-05-01 ⏎": (r"◀ THE PAST 2013-05-01",),
    ": now ⏎": (r"this is the present",),
    "?": (r"EVERYWHERE",),
    "q": (),
}
"""Keys of a row in the README, and what is on the screen once they were pressed."""


def rows_of_the_readme() -> list[tuple[str, ...]]:
    """The keys of each row of the README's table, in its order."""
    table = README.read_text().partition("| day | keys |")[2].partition("\n\n")[0]
    return [tuple(re.findall(r"`([^`]+)`", row.split("|")[2])) for row in table.splitlines()[2:]]


def test_every_row_of_the_readme_is_true_and_the_terminal_is_given_back(tmp_path: Path) -> None:
    rows = rows_of_the_readme()
    assert [" ".join(keys) for keys in rows] == list(SHOWN)
    root = tmp_path / "a demo"
    program = [sys.executable, "-m", "pilothouse.cli.main", "-w", str(root)]
    command = [*program, "demo", "--until", LAST_DAY, "--pace", "10"]
    terminal = Terminal(tmp_path, command=command)
    try:
        with terminal:
            shows(terminal, r"^ overview ", r"demo: (day \d+ of 90 |the replay ended)", r"\? help")
            for keys in rows:
                play(terminal, keys)
            # read on meanwhile: a terminal that nobody reads from holds up whoever writes to it
            wait_until(
                lambda: b"look round with:" in terminal.output() and terminal.process.poll() is not None, 60
            )
            assert terminal.process.returncode == 0
            said = terminal.output().rpartition(b"\x1b[?1049l")[2].decode()
        assert re.search(
            rf"--workspace '{re.escape(str(root))}'\s+--as\s+{workspace.APPROVER}", re.sub(r"\s+", " ", said)
        )
        assert "Traceback" not in said
    finally:
        workspace.remove(root)


def play(terminal: Terminal, keys: Sequence[str]) -> None:
    """Press the keys of one row, as soon as what they need is there, and wait for what it promises."""
    row = " ".join(keys)
    match row:
        case "8 ⏎ ⏎":
            look_until(terminal, b"8", r"^ alerts › ", r"✖|▲")
            press(terminal, keys[1], r"^ alerts › incident \d+ ", r"WHAT TO DO NEXT")
            press(terminal, keys[2], *SHOWN[row])
        case "5 ⏎":
            look_until(terminal, b"5", r"^ jobs ", r"alert \d+ on")
            press(terminal, keys[1], *SHOWN[row])
        case "3 ⏎":
            look_until(terminal, b"3", r"^ approvals ", r"bike-demand +v2 ")
            press(terminal, keys[1], *SHOWN[row])
        case "a ⏎":
            press(terminal, keys[0], r"Approve bike-demand version 2 on dc\?", r"goes live on dc at once")
            press(terminal, keys[1], *SHOWN[row])
        case "7 /dc ⏎ ^l":
            press(terminal, keys[0], r"^ deployments › live", r"^(?=.*\bdc\b)(?=.*bike-demand).* v2 ")
            press(terminal, keys[1], r"/dc")
            press(terminal, keys[2], r"^(?!.*jfk)(?=.*deployments)")
            wait_until(lambda: "jfk" not in text_of(terminal), 60, 0.2)
            press(terminal, keys[3], *SHOWN[row])
            terminal.write(b"as the README says")
            shows(terminal, r"as the README says")
            press(
                terminal,
                "⏎",
                r"bike-demand is back: dc at version 1",
                r"^(?=.*\bdc\b)(?=.*bike-demand).* v1 ",
            )
        case "@ 2013-05-01 ⏎" | ": now ⏎":
            for key in keys[:-1]:
                terminal.write(key.encode())
                shows(terminal, re.escape(key.replace("@", ":at")))
            press(terminal, keys[-1], *SHOWN[row])
        case "?":
            press(terminal, keys[0], *SHOWN[row])
            terminal.write(b"\x1b")
            wait_until(lambda: "EVERYWHERE" not in text_of(terminal), 30, 0.2)
        case _:
            for key in keys:
                terminal.write(BYTES.get(key, key.encode()))
            shows(terminal, *SHOWN[row])


def press(terminal: Terminal, key: str, *patterns: str) -> None:
    """Press a key and wait for what it brings."""
    terminal.write(BYTES.get(key, key.encode()))
    shows(terminal, *patterns)


def look_until(terminal: Terminal, key: bytes, *patterns: str) -> None:
    """Go to a view and wait until the replay has brought what is looked for."""
    terminal.write(key)
    shows(terminal, *patterns)


def text_of(terminal: Terminal) -> str:
    """What the terminal shows."""
    return "\n".join(screen_of(terminal, 80, 24).display)


def shows(terminal: Terminal, *patterns: str) -> None:
    """Wait until each of the patterns is on the screen."""

    def shown() -> bool:
        text = text_of(terminal)
        return all(re.search(pattern, text, re.MULTILINE) for pattern in patterns)

    try:
        wait_until(lambda: shown() or terminal.process.poll() is not None, 300, 0.1)
    except AssertionError:
        raise AssertionError(f"no {patterns} on:\n{text_of(terminal)}") from None
    assert not patterns or shown(), f"ended without {patterns}:\n{text_of(terminal)}"
