"""Workspaces with daemons of their own on one board: each is shown as what it is, and one that two ways lead to once.

Four daemons start, which takes most of a minute: ``make proof-ssh`` runs it.
"""

import os
import shutil
import signal
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from pilothouse.composition import open_workspace
from pilothouse.daemon import control
from pilothouse.domain.identity.roles import Role
from pilothouse.operations.identity import ssh_lines
from pilothouse.operations.sites import following, publishing
from pilothouse.operations.transparency import heads
from pilothouse.operations.workspace import workspaces, write_state
from pilothouse.system.workspace_place import os_user
from ssh.test_board import LONG, board, shown
from support import older_registry, wait_until
from support.busy_site import make_busy
from support.ssh_door import Door
from support.ssh_keys import use_key
from support.sshd import ACCOUNT, needs_sshd, running_sshd
from support.terminals import Terminal

pytestmark = [
    needs_sshd,
    pytest.mark.skipif(
        not {"PH_FEDERATION", "PILOTHOUSE_SOAK"} & os.environ.keys(), reason="long: make proof-ssh runs it"
    ),
]


@dataclass
class Federation:
    """Workspaces below one folder, their daemons, and the sshd before ``far``."""

    folder: Path
    stack: ExitStack
    pids: dict[str, int] = field(default_factory=dict)
    far_place: str = ""

    def make(self, name: str, *, started: bool = True) -> None:
        """A busy workspace that the test's own account operates."""
        make_busy(self.folder / name, (os_user(), Role.OPERATOR)).services.close()
        if started:
            self.start(name)

    def start(self, name: str) -> None:
        """Start its daemon, which runs until the test ends."""
        root = self.folder / name
        self.pids[name] = control.start_in_background(root, serve_targets=False, timeout_s=LONG).pid
        self.stack.callback(control.stop, root, timeout_s=LONG)

    def kill(self, name: str) -> None:
        """As a power cut does: nothing is said."""
        os.kill(self.pids[name], signal.SIGKILL)


@pytest.fixture
def sites(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Federation]:
    """``ewr``, ``jfk`` that publishes, ``far`` over SSH, ``hub`` that follows ``jfk``, and ``lga`` of a release of before."""
    with ExitStack() as stack:
        made = Federation(tmp_path, stack)
        for name in ("ewr", "jfk", "far"):
            made.make(name)
        with closing(open_workspace(tmp_path / "jfk")) as services:
            ada = workspaces.identify(services, "ada")
            publishing.publish(services, ada, tmp_path / "www")
            key = heads.status(services, ada).key
        made.make("hub", started=False)
        with closing(open_workspace(tmp_path / "hub")) as services:
            ada = workspaces.identify(services, "ada")
            following.follow(services, ada, "north", str(tmp_path / "www"), key, stale_after_s=900)
        made.start("hub")
        older = tmp_path / "lga" / "state"
        older.mkdir(parents=True)
        older_registry.make(older / "registry.db", 3, monkeypatch)
        (older / "registry.db").chmod(0o600)
        (tmp_path / "keys").mkdir()
        services = stack.enter_context(closing(open_workspace(tmp_path / "far")))
        sshd = stack.enter_context(running_sshd(tmp_path / "sshd", *ssh_lines.sshd_config(tmp_path / "far")))
        door = Door(services, sshd, tmp_path / "keys")
        use_key(door.add("oscar"), sshd.folder / "known_hosts", tmp_path / "bin", monkeypatch)
        made.far_place = f"ssh://{ACCOUNT}@127.0.0.1:{sshd.port}"
        yield made


def test_a_federation_of_daemons_is_shown_as_what_it_is(sites: Federation) -> None:
    folder = sites.folder
    sites.kill("ewr")
    with closing(open_workspace(folder / "jfk")) as services:
        ada = workspaces.identify(services, "ada")
        write_state.make_read_only(services, ada, "moving house")
    shutil.copytree(folder / "ewr", folder / "copy", ignore=shutil.ignore_patterns("*.sock"))
    places = [folder / name for name in ("ewr", "jfk", "hub", "lga")]
    with Terminal(folder, command=board(folder, *places, sites.far_place)) as terminal:
        text = shown(
            terminal, "5 sites, 1 read-only, 1 older schema ·", "? no daemon", "■ read-only", "127.0.0.1"
        )
        assert "north" not in text, "it is jfk, which is asked itself"
        assert text.count("○ no data") == 2, "the hub and the far one are watched"
        terminal.write(b"/site=jfk\r")
        shown(terminal, "hub follows it", "is read-only since")
        terminal.write(b"\x1b")
        shown(terminal, "▽ older schema")
        terminal.write(b"/site=ewr\r")
        shown(terminal, "no daemon since")
        sites.start("ewr")
        shown(terminal, "ewr", "○ no data")
        terminal.write(b"q")
        wait_until(lambda: terminal.process.poll() is not None, LONG, 0.5)

    places = [folder / name for name in ("copy", "ewr", "hub")]
    with Terminal(folder, command=board(folder, *places)) as terminal:
        shown(terminal, "4 sites, 1 copy ·", "▲ copy", "north")
        sites.start("copy")
        shown(terminal, "4 sites, 2 contradicts")
        terminal.write(b"/site=ewr\r")
        shown(terminal, "copy runs under the same identity")
        terminal.write(b"q")
        wait_until(lambda: terminal.process.poll() is not None, LONG, 0.5)
