"""Consoles over a real sshd: opened, ended with their user, and gone with the connection."""

import os
import signal
from pathlib import Path

import pytest

from pilothouse.domain.identity.sessions import ConsoleSession
from pilothouse.operations.identity import users
from pilothouse.operations.workspace import sessions, workspaces
from pilothouse.system.processes import is_alive
from support import wait_until
from support.soak_plan import size
from support.ssh_door import Door
from support.sshd import needs_sshd
from support.terminals import Terminal, screen_of

pytestmark = needs_sshd
SOON_S = 2.0
"""Within which a console is gone whose user is disabled, or whose connection is."""
TIMES = size(3, 100)


@pytest.fixture
def oscar(door: Door) -> Path:
    return door.add("oscar")


def newest(door: Door) -> ConsoleSession:
    ada = workspaces.identify(door.services, "ada")
    listed = sessions.list_sessions(door.services, ada, limit=1)
    assert listed
    return listed[0]


def open_sessions(door: Door) -> list[ConsoleSession]:
    ada = workspaces.identify(door.services, "ada")
    return sessions.list_sessions(door.services, ada, open_only=True)


def opened(door: Door, key: Path) -> Terminal:
    terminal = Terminal(door.services.paths.root, command=door.sshd.command(key, options=("-tt",)))
    wait_until(lambda: open_sessions(door), 30)
    return terminal


def test_a_console_opens_and_its_session_says_who_from_where_and_how_it_ended(
    door: Door, oscar: Path
) -> None:
    with opened(door, oscar) as terminal:
        wait_until(lambda: "oscar" in "\n".join(screen_of(terminal, 80, 24).display))
        (session,) = open_sessions(door)
        terminal.write(b":quit\r")
        terminal.process.wait(10)

    assert session.identity is not None
    assert session.identity.fingerprint.startswith("SHA256:")
    assert (session.actor, session.address) == ("oscar", "127.0.0.1")
    assert session.terminal.startswith("xterm-256color")
    assert newest(door).ending == "left"


def test_a_console_that_is_asked_for_by_name_is_the_keys_users_without_plugins(door: Door) -> None:
    vera = door.add("vera")
    command = door.sshd.command(vera, "pilothouse", "console", "models", options=("-tt",))
    with Terminal(door.services.paths.root, command=command) as terminal:
        wait_until(lambda: open_sessions(door), 30)
        wait_until(lambda: "vera" in "\n".join(screen_of(terminal, 80, 24).display))
        (session,) = open_sessions(door)
        terminal.write(b":quit\r")
        terminal.process.wait(10)

    assert session.identity is not None
    assert (session.actor, session.identity.kind, session.address) == ("vera", "ssh-key", "127.0.0.1")


def test_no_words_open_a_console_as_somebody_else(door: Door) -> None:
    asked = "pilothouse --json --as status console --as ada --config /dev/stdin"
    command = door.sshd.command(door.add("vera"), asked, options=("-tt",))
    with Terminal(door.services.paths.root, command=command) as terminal:
        wait_until(lambda: terminal.process.poll() is not None, 30)
        said = terminal.read_all()

    assert (terminal.process.returncode, b"'--as' is refused over SSH" in said) == (4, True), said
    assert not open_sessions(door)


def test_the_console_of_a_user_who_is_disabled_ends_at_once_and_says_why(door: Door, oscar: Path) -> None:
    with opened(door, oscar) as terminal:
        users.disable_user(door.services, workspaces.identify(door.services, "ada"), "oscar", "left the firm")
        wait_until(lambda: terminal.process.poll() is not None, SOON_S)
        said = terminal.read_all()

    assert b"this console has ended: oscar is disabled, by ada: left the firm" in said
    assert newest(door).ending == "oscar is disabled, by ada: left the firm"


def test_a_console_ends_with_the_key_that_it_was_opened_by(door: Door, oscar: Path) -> None:
    ada = workspaces.identify(door.services, "ada")
    door.bind("oscar", "second")
    with opened(door, oscar) as terminal, opened(door, door.key("second")) as other:
        wait_until(lambda: len(open_sessions(door)) == 2)
        first = users.keys_of(door.services, ada, "oscar").keys[0]
        users.revoke_key(door.services, ada, "oscar", first.fingerprint, "laptop lost")
        wait_until(lambda: terminal.process.poll() is not None, SOON_S)
        assert other.process.poll() is None


@pytest.mark.parametrize("killed", ["client", "sshd"])
def test_a_console_goes_with_its_connection(door: Door, oscar: Path, killed: str) -> None:
    for _ in range(TIMES):
        gone_with(door, oscar, killed)


def gone_with(door: Door, key: Path, killed: str) -> None:
    """Open a console, kill the client or the sshd of its session; the console is gone soon and its session closed."""
    with opened(door, key) as terminal:
        (session,) = open_sessions(door)
        number = terminal.process.pid if killed == "client" else parent_of(session.process.pid)
        os.kill(number, signal.SIGKILL)
        wait_until(lambda: not is_alive(session.process) and not open_sessions(door), SOON_S)
    assert newest(door).ending == "hung up"


def parent_of(pid: int) -> int:
    """The sshd that serves the session of a console: its parent, past the shell that the forced command is run by."""
    while True:
        status = Path(f"/proc/{pid}/stat").read_text()
        pid = int(status.rpartition(")")[2].split()[1])
        if Path(f"/proc/{pid}/comm").read_text().startswith("sshd"):
            return pid
