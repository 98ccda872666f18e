"""The console as a process: first frame, terminals, signals, a real pty."""

import os
import re
import signal
import subprocess
import sys
import termios
from pathlib import Path

import pytest
from test_hostile_text import quiet

from pilothouse.console.launch import over_ssh
from pilothouse.operations.workspace import sessions
from support import example, wait_until
from support.terminals import RUN, Terminal, screen_of


def test_nothing_heavy_is_imported_before_the_first_frame(workspace: Path) -> None:
    code = """
import asyncio, sys
from pathlib import Path
from pilothouse.composition import open_workspace
from pilothouse.console.app import Console
from pilothouse.console.session.options import ConsoleOptions
async def main():
    app = Console(lambda: open_workspace(Path(sys.argv[1])), ConsoleOptions(user="ada", as_name="pat", start="jobs"))
    async with app.run_test(size=(80, 24)) as pilot:
        while app.current_mode == "opening" or not app.view.settled:
            await pilot.pause(0.02)
    print([name for name in ("pandas", "sklearn", "scipy", "plotext", "sqlite_utils", "pyarrow") if name in sys.modules])
asyncio.run(main())
"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(workspace)], capture_output=True, text=True, timeout=60
    )
    assert done.stdout.strip() == "[]", done.stderr[-2000:]


def test_without_a_terminal_it_says_so_and_ends_with_2(workspace: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", RUN, str(workspace)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert done.returncode == 2
    assert "needs a terminal" in done.stderr
    assert done.stdout == ""


def test_dumb_terminal_is_refused_with_a_word(workspace: Path) -> None:
    with Terminal(workspace, TERM="dumb") as terminal:
        assert terminal.process.wait(30) == 2
        assert b"cannot draw on TERM='dumb'" in terminal.read_all()


@pytest.mark.parametrize(
    ("end", "ending"),
    [("SIGHUP", "hung up"), ("SIGTERM", "terminated"), ("closed", "hung up"), ("q", "left")],
)
def test_however_it_ends_the_session_is_closed_on_record(workspace: Path, end: str, ending: str) -> None:
    with Terminal(workspace, SSH_CONNECTION="10.0.0.7 1 10.0.0.1 22") as terminal:
        with example.opened(workspace) as services:
            pat = example.person(services, "pat")
            wait_until(
                lambda: terminal.output() and sessions.list_sessions(services, pat, open_only=True), 30
            )
            (found,) = sessions.list_sessions(services, pat)
            assert (found.actor, found.terminal) == ("pat", "xterm-256color over ssh from 10.0.0.7")
            if end == "closed":
                terminal.hang_up()
            elif end == "q":
                terminal.write(b"q")
            else:
                terminal.process.send_signal(getattr(signal, end))
            terminal.process.wait(20)
            (found,) = sessions.list_sessions(services, pat)
        assert found.ending == ending


@pytest.mark.parametrize(
    ("environment", "lacks"),
    [
        ({"NO_COLOR": "1"}, rb"\x1b\[[0-9;]*(3[0-7]|4[0-7]|9[0-7]|38|48)[;m]"),
        ({"TERM": "xterm-16color", "COLORTERM": ""}, rb"\x1b\[[0-9;]*(38|48);"),
        ({"TERM": "xterm-256color", "COLORTERM": ""}, rb"\x1b\[[0-9;]*(38|48);2;"),
        ({"TERM": "xterm-256color", "COLORTERM": "truecolor"}, rb"\x1b\[[0-9;]*(38|48);2;"),
    ],
    ids=["no colour", "16 colours", "256 colours", "24 bit"],
)
def test_a_terminal_gets_no_more_colours_than_it_has(
    workspace: Path, environment: dict[str, str], lacks: bytes
) -> None:
    with Terminal(workspace, **environment) as terminal:
        wait_until(lambda: b"critical" in terminal.output(), 30)
        assert re.findall(lacks, terminal.output()) == []
        assert "✖".encode() in terminal.output(), "the state is there without its colour"


def test_the_terminal_is_asked_for_its_size_and_not_the_environment(workspace: Path) -> None:
    with Terminal(workspace, size=(132, 43), COLUMNS="80", LINES="24") as terminal:
        wait_until(lambda: b"7 Deployments" in terminal.output(), 30)
        terminal.resize(90, 30)
        wait_until(lambda: b"7Deploy" in terminal.output(), 30)


def test_a_console_over_ssh_is_lean_unless_told_otherwise() -> None:
    assert over_ssh({"SSH_CONNECTION": "10.0.0.7 1 10.0.0.1 22"})
    assert over_ssh({"SSH_TTY": "/dev/pts/3"})
    assert not over_ssh({"TERM": "xterm"})


def test_hang_up_ends_it_and_gives_the_terminal_back(workspace: Path) -> None:
    with Terminal(workspace) as terminal:
        wait_until(lambda: b"flight-delay" in terminal.output(), 30)
        terminal.process.send_signal(signal.SIGHUP)
        assert terminal.process.wait(10) == 128 + signal.SIGHUP
        assert b"\\x1b[?1049l" in terminal.read_all().replace(b"\x1b", b"\\x1b"), (
            "the alternate screen is left"
        )


BLOCKED = """
import pathlib, sys, time
from pilothouse.console.app import Console
async def begin(self):
    pathlib.Path(sys.argv[1], "blocked").touch()
    time.sleep(1_000)
Console._begin = begin
"""


def test_a_console_that_waits_for_a_terminal_that_is_gone_ends_all_the_same(workspace: Path) -> None:
    """As where Textual's writer died of the terminal with its queue full: no signal and no task gets through."""
    with Terminal(workspace, code=BLOCKED + RUN) as terminal:
        wait_until(lambda: terminal.output() and (workspace / "blocked").exists(), 30)
        terminal.hang_up()
        assert terminal.process.wait(10) == 128 + signal.SIGHUP


PLUGINS = """
[plugins.missing]
key = "f5"
command = ["/no/such/program"]
confirm = false
run = "terminal"

[plugins.patient]
key = "f6"
command = ["sh", "-c", "echo waiting for you; sleep 60"]
confirm = false
run = "terminal"
"""


def test_a_program_that_has_the_terminal_gives_it_back_however_it_ends(
    workspace: Path, tmp_path: Path
) -> None:
    """Where there is no such program, and where ctrl+c ends it: that key is the program's, not the console's."""
    config = tmp_path / "console.toml"
    config.write_text(PLUGINS)
    code = "import sys; from pilothouse.cli.main import main; main(sys.argv[2:])"
    command = [
        sys.executable,
        "-c",
        code,
        "",
        "-w",
        str(workspace),
        "--as",
        "pat",
        "console",
        "--config",
        str(config),
    ]
    with Terminal(workspace, command=command) as terminal:
        wait_until(lambda: "flight-delay" in shown(terminal), 30)
        terminal.write(b"\x1b[15~")
        wait_until(lambda: "/no/such/program cannot be run" in shown(terminal), 30)
        terminal.write(b"2")
        wait_until(lambda: "OWNER" in shown(terminal), 30)
        terminal.write(b"\x1b[17~")
        wait_until(lambda: "waiting for you" in shown(terminal), 30)
        os.killpg(terminal.process.pid, signal.SIGINT)  # as ctrl+c does on a terminal of one's own
        wait_until(lambda: "patient ended with -2" in shown(terminal), 30)
        terminal.write(b"q")
        wait_until(lambda: terminal.output() and terminal.process.poll() is not None, 30)
        assert terminal.process.returncode == 0


def test_a_time_before_the_command_is_the_past_in_the_console_too(workspace: Path) -> None:
    code = "import sys; from pilothouse.cli.main import main; main(sys.argv[2:])"
    command = [sys.executable, "-c", code, "", "-w", str(workspace), "--as", "olga", "--at", "2013-08-10"]
    with Terminal(workspace, command=command) as terminal:
        wait_until(lambda: "THE PAST" in shown(terminal).upper(), 30)


def shown(terminal: Terminal) -> str:
    """The text on the screen."""
    return "\n".join(screen_of(terminal, 80, 24).display)


def test_a_console_that_was_suspended_is_painted_whole_again(workspace: Path) -> None:
    with Terminal(workspace) as terminal:
        wait_until(lambda: b"flight-delay" in terminal.output(), 30)
        quiet(
            terminal
        )  # Textual's handler writes to the terminal, and may not come into a write that goes on
        number = terminal.process.pid
        os.kill(number, signal.SIGTSTP)
        wait_until(lambda: Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0] == "T", 30)
        before = len(terminal.output())
        os.kill(number, signal.SIGCONT)
        wait_until(lambda: b"flight-delay" in terminal.output()[before:], 30)


CRASH = """
import sys
from pilothouse.cli.main import main
from pilothouse.console.screens.overview import OverviewView
from pilothouse.console.screens.work.jobs import JobsView
from pilothouse.console.app import Console
def broken(*_):
    secret = "hunter2"
    raise ValueError("nobody thought of this\\x1b]0;title\\x07")
async def broken_later(*_):
    broken()
where, root = sys.argv[2], sys.argv[1]
if where == "composing":
    OverviewView.compose = broken
elif where == "painting":
    OverviewView.render_line = broken
elif where == "a message":
    OverviewView.on_loading_screen_loaded = broken
elif where == "a key":
    JobsView.on_mount = broken
elif where == "first of all":
    Console.on_mount = broken
elif where == "the style sheet":
    Console.CSS = "Screen { nonsense"
main(["-w", root, "--as", "pat"])
"""


@pytest.mark.parametrize(
    "where",
    ["composing", "painting", "a message", "a key", "first of all", "the style sheet"],
)
def test_a_crash_leaves_the_terminal_clean_and_one_line_with_the_file(workspace: Path, where: str) -> None:
    with Terminal(workspace, where, code=CRASH, TMPDIR=str(workspace)) as terminal:
        if where == "a key":
            wait_until(lambda: b"flight-delay" in terminal.output(), 30)
            terminal.write(b"5")
        assert terminal.process.wait(30) == 70
        raw = terminal.read_all()
        assert termios.tcgetattr(terminal.descriptor)[3] & termios.ECHO, "what is typed is seen again"
    for ended in (b"\x1b[?1049l", b"\x1b[?25h", b"\x1b[?1000l"):  # alternate screen, hidden cursor, mouse
        begun = ended.replace(b"l", b"h") if ended.endswith(b"l") else b"\x1b[?25l"
        assert raw.rfind(ended) >= raw.rfind(begun), ended
    after = raw.rpartition(b"\x1b[?1049l")[2].decode() if b"\x1b[?1049l" in raw else raw.decode()
    lines = [line for line in re.sub(r"\x1b\[[0-9;?<>=]*[a-zA-Z]", "", after).splitlines() if line.strip()]
    (file,) = workspace.glob("pilothouse-error-*.txt")
    assert len(lines) == 1, lines
    assert lines[0].startswith("pilothouse: internal error: ")
    assert lines[0].endswith(f"details are in {file}")
    assert "\x1b]0;" not in raw.decode(errors="replace"), "an error's text does not act"
    assert "Traceback" in file.read_text()
    assert b"hunter2" not in raw
    with example.opened(workspace) as services:
        found = sessions.list_sessions(services, example.person(services, "pat"))
        assert {session.ending for session in found} <= {"broke off"}
