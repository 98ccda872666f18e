"""The console of several sites as an operator has it: sites here and one behind a real sshd, at 80×24."""

import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from pilothouse.composition import open_workspace
from pilothouse.domain.records import AlertStatus
from pilothouse.operations.alerts import alerts
from pilothouse.operations.identity import ssh_lines
from pilothouse.operations.rollouts import views
from pilothouse.operations.workspace import workspaces
from support import older_registry, wait_until
from support.busy_site import make_busy
from support.ssh_door import Door
from support.ssh_keys import use_key
from support.sshd import ACCOUNT, needs_sshd, running_sshd
from support.terminals import Terminal, screen_of

pytestmark = needs_sshd
_WITHOUT_POWER = "-dac_override,-dac_read_search"
"""What lets root write files whatever their permissions say."""
LONG = 90.0


@pytest.fixture
def far(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Door]:
    """A busy workspace behind a forced command, whose oscar operates it."""
    root = tmp_path / "far"
    make_busy(root).services.close()
    (tmp_path / "keys").mkdir()
    with (
        closing(open_workspace(root)) as services,
        running_sshd(tmp_path / "sshd", *ssh_lines.sshd_config(root)) as sshd,
    ):
        door = Door(services, sshd, tmp_path / "keys")
        use_key(door.add("oscar"), sshd.folder / "known_hosts", tmp_path / "bin", monkeypatch)
        yield door


def board(folder: Path, *places: object) -> list[str]:
    """Command that opens the console over places; root has no power over files in it."""
    words = [sys.executable, "-I", "-m", "pilothouse.cli.main", "console"]
    words += [part for place in places for part in ("-w", str(place))]
    if os.getuid() != 0:
        return words
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        pytest.skip("needs setpriv (util-linux) to take root's power over files away")
    return [setpriv, f"--bounding-set={_WITHOUT_POWER}", f"--inh-caps={_WITHOUT_POWER}", *words]


def shown(terminal: Terminal, *texts: str) -> str:
    """The screen once it has all the texts."""

    def screen() -> str:
        return "\n".join(screen_of(terminal, 80, 24).display)

    try:
        wait_until(lambda: all(text in screen() for text in texts), LONG, 0.5)
    except AssertionError:
        raise AssertionError(f"{texts} is not on\n{screen()}") from None
    return screen()


def colour_of(terminal: Terminal, text: str) -> str:
    """Colour of the first letter of a text on the screen."""
    screen = screen_of(terminal, 80, 24)
    row = next(row for row, line in enumerate(screen.display) if text in line)
    return str(screen.buffer[row][screen.display[row].index(text)].fg)


def test_every_site_is_shown_as_what_it_is(
    far: Door, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, closed, older = tmp_path / "jfk", tmp_path / "ewr", tmp_path / "lga"
    for root in (here, closed):
        make_busy(root).services.close()
    (older / "state").mkdir(parents=True)
    older_registry.make(older / "state" / "registry.db", 3, monkeypatch)
    (older / "state" / "registry.db").chmod(0o600)
    far_place = f"ssh://{ACCOUNT}@127.0.0.1:{far.sshd.port}"
    with ExitStack() as stack:
        for path in (closed / "state" / "registry.db", closed / "state"):
            stack.callback(path.chmod, path.stat().st_mode)
            path.chmod(path.stat().st_mode & ~0o222)
        terminal = stack.enter_context(
            Terminal(tmp_path, command=board(tmp_path, here, closed, older, far_place))
        )
        shown(terminal, "■ read-only files", "▽ older schema", "? no daemon", "127.0.0.1")
        terminal.write(b"G")  # the tile under the cursor is reversed
        wait_until(lambda: colour_of(terminal, "■ read-only files") == "brown", LONG, 0.5)
        far.sshd.process.terminate()
        far.sshd.process.wait()
        terminal.write(b"/nowhere\r")
        shown(terminal, "no site passes /nowhere")
        terminal.write(b"\x1b")  # alone: with the next key it would be Alt
        shown(terminal, "▽ older schema")
        terminal.write(b"/127\r")
        shown(terminal, " 127.0.0.1: ")
        terminal.write(b"\x12")
        text = shown(terminal, "✖ away since", "was ")
        assert "no connection" in text
        terminal.write(b"\x1b")
        shown(terminal, "▽ older schema")
        terminal.write(b"G")
        wait_until(lambda: colour_of(terminal, "✖ away since") == "red", LONG, 0.5)
        terminal.write(b"8/site=127*\r")
        shown(terminal, "◌ critical (stale)")
        terminal.write(b"a")
        shown(terminal, "127.0.0.1 is away")
        terminal.write(b"q")
        wait_until(lambda: terminal.process.poll() is not None, LONG, 0.5)


def test_acts_from_a_row_are_the_far_site_s_own_by_the_rights_held_there(far: Door, tmp_path: Path) -> None:
    place = f"ssh://{ACCOUNT}@127.0.0.1:{far.sshd.port}"
    ada = workspaces.identify(far.services, "ada")
    with Terminal(tmp_path, command=board(tmp_path, place)) as terminal:
        shown(terminal, "as oscar (operator)")
        terminal.write(b"8")
        shown(terminal, "✖ critical")
        terminal.write(b"a")
        shown(terminal, "Acknowledge alert 1 in 127.0.0.1?", "as        oscar", "WHY IT FIRED")
        terminal.write(b"on it\r")
        shown(terminal, "127.0.0.1: alert 1 is acknowledged")
        (alert,) = alerts.list_alerts(far.services, ada, status=AlertStatus.ACKNOWLEDGED)
        assert alert.handled_by == "oscar"

        terminal.write(b"3")
        shown(terminal, "◆ open")
        terminal.write(b"a")
        shown(terminal, "Approve request 4 in 127.0.0.1?", "evidence ")
        terminal.write(b"\r")
        shown(terminal, "127.0.0.1 says:", "oscar may not approve request 4")
        terminal.write(b"\r")
        shown(terminal, "[3 Approvals]", "refused: oscar")
        terminal.write(b"o")
        shown(terminal, "◐ running")
        terminal.write(b"p")
        shown(terminal, "Pause roll-out 1 in 127.0.0.1?", "WAVES")
        terminal.write(b"night\r")
        shown(terminal, "▲ paused")
        (rollout,) = views.list_rollouts(far.services, ada)
        assert (rollout.state, "oscar" in rollout.why) == ("paused", True)

        terminal.write(b"\r")
        shown(terminal, "oscar (operator)", "roll-out 1", "abort")
        terminal.write(b":quit\r")
        shown(terminal, "[o Roll-outs]")
        terminal.write(b"q")
        wait_until(lambda: terminal.process.poll() is not None, LONG, 0.5)
