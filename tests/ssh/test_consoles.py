"""Consoles over a real sshd: opened, ended with their user, and gone with the connection."""

import os
import signal
import time
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median

import pytest

from pilothouse.domain.identity.roles import Permission
from pilothouse.domain.identity.sessions import ConsoleSession
from pilothouse.operations.authorisation import changing
from pilothouse.operations.identity import idle_lock, users
from pilothouse.operations.workspace import audits, sessions, workspaces
from pilothouse.store import workspace
from pilothouse.system.processes import is_alive
from support import wait_until
from support.soak_plan import size
from support.soft_keys import agent
from support.ssh_door import Door
from support.ssh_keys import certify
from support.sshd import needs_sshd
from support.terminals import Terminal, screen_of

pytestmark = needs_sshd
SOON_S = 2.0
"""Within which a console is gone whose user is disabled, or whose connection is."""
TIMES = size(3, 100)
_TIME = "%Y%m%d%H%M%SZ"
"""Times in UTC as ssh-keygen reads them."""
AT_ONCE = 4
"""Consoles that are open when their connections are killed: each takes a second to start, which they share."""


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


def started(door: Door, key: Path) -> Terminal:
    return Terminal(door.services.paths.root, command=door.sshd.command(key, options=("-tt",)))


def opened(door: Door, key: Path) -> Terminal:
    terminal = started(door, key)
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


def test_a_locked_console_is_unlocked_by_the_agent_that_the_connection_forwards(door: Door) -> None:
    services, ada = door.services, workspaces.identify(door.services, "ada")
    with changing(services, ada, Permission.SET_POLICY) as change:  # sooner than an admin may have it
        workspace.set_setting(change.connection, idle_lock.SETTING, "1")
        change.record("idle_lock.set", "workspace", {"after": 1})
    oscar = door.add("oscar")
    with agent(oscar) as sock:
        command = door.sshd.command(oscar, options=("-tt", "-A"))
        command[command.index("IdentityAgent=none")] = f"IdentityAgent={sock}"
        with Terminal(services.paths.root, command=command) as terminal:

            def shown() -> str:
                lines = screen_of(terminal, 80, 24).display
                return " ".join("\n".join(lines).replace("│", " ").split())

            wait_until(lambda: "locked: oscar" in shown() and "Enter unlocks it with SHA256" in shown(), 30)
            assert "Over" not in shown()
            with changing(services, ada, Permission.SET_POLICY) as change:
                workspace.set_setting(change.connection, idle_lock.SETTING, "")
                change.record("idle_lock.set", "workspace", {"after": None})
            terminal.write(b"\r")
            wait_until(lambda: "1Over" in shown(), 30)
            terminal.write(b":quit\r")
            terminal.process.wait(10)
    entries = audits.show(services, ada, text="session.unlocked")
    key = users.keys_of(services, ada, "oscar").keys[0].fingerprint
    assert [(one.actor, one.detail["by"], one.detail["key"]) for one in entries] == [("oscar", "key", key)]


@pytest.mark.parametrize("what", ["certificate", "key"])
def test_a_console_ends_with_the_time_of_its_certificate_or_key(door: Door, what: str) -> None:
    door.add("pat")
    if what == "certificate":
        door.trust("pat", "authority")
    for seconds in (4, 16, 64):  # a busy machine takes long to open one
        end = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=seconds)
        own = door.key(f"for {seconds} s")
        if what == "certificate":
            certify(
                door.key("authority"), own, "pat", valid=f"{end - timedelta(days=1):{_TIME}}:{end:{_TIME}}"
            )
        else:
            door.bind("pat", f"for {seconds} s", valid_before=end)
        with started(door, own) as terminal:
            wait_until(lambda: terminal.process.poll() is not None or open_sessions(door))
            if not open_sessions(door):
                continue
            wait_until(lambda: terminal.process.poll() is not None, seconds + SOON_S)
            said = terminal.read_all()
        session = newest(door)
        assert session.closed_at is not None
        assert f"this console has ended: the time of the {what} is over that pat came with".encode() in said
        assert session.ending == f"the time of the {what} is over that pat came with"
        assert session.closed_at >= end
        print(f"closed {(session.closed_at - end).total_seconds():.2f} s after the end of the {what}")
        assert door.sshd.run(own, "pilothouse", "whoami").code == 255, "nor does another one open"
        return
    raise AssertionError("no console was open before its time was over")


@pytest.mark.parametrize("killed", ["client", "sshd"])
def test_consoles_go_with_their_connections(door: Door, oscar: Path, killed: str) -> None:
    rounds = [min(AT_ONCE, TIMES - done) for done in range(0, TIMES, AT_ONCE)]
    times = [one for count in rounds for one in gone_with(door, oscar, killed, count)]

    assert len(times) == TIMES
    print(
        f"the {killed} killed {TIMES} times: until the console was gone and its session closed {median(times):.2f} s in the "
        f"median, {max(times):.2f} s at the longest; load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"
    )


def gone_with(door: Door, key: Path, killed: str, count: int) -> list[float]:
    """Open consoles, each through a connection of its own; kill the client or the sshd of each. Every console is gone soon and
    its session closed: seconds from the first kill."""
    with ExitStack() as stack:
        terminals = [stack.enter_context(started(door, key)) for _ in range(count)]
        wait_until(lambda: len(open_sessions(door)) == count, 30)
        opened = open_sessions(door)
        clients = [terminal.process.pid for terminal in terminals]
        numbers = clients if killed == "client" else [parent_of(one.process.pid) for one in opened]
        assert len(set(numbers)) == count
        begun = time.monotonic()
        for number in numbers:
            os.kill(number, signal.SIGKILL)
        times: dict[int, float] = {}

        def all_gone() -> bool:
            still = {one.id for one in open_sessions(door)}
            for one in opened:
                if one.id not in times and one.id not in still and not is_alive(one.process):
                    times[one.id] = time.monotonic() - begun
            return len(times) == count

        wait_until(all_gone, SOON_S)
    ada = workspaces.identify(door.services, "ada")
    ended = sessions.list_sessions(door.services, ada, limit=count)
    assert {(one.id, one.ending) for one in ended} == {(one.id, "hung up") for one in opened}
    return list(times.values())


def parent_of(pid: int) -> int:
    """The sshd that serves the session of a console: its parent, past the shell that the forced command is run by."""
    while True:
        status = Path(f"/proc/{pid}/stat").read_text()
        pid = int(status.rpartition(")")[2].split()[1])
        if Path(f"/proc/{pid}/comm").read_text().startswith("sshd"):
            return pid
