"""Bringing a registry with a long audit log to this release: it says how far it is, and an interruption leaves it as it was."""

import logging
import os
import signal
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from pilothouse.api.client import Client
from pilothouse.composition import open_workspace
from pilothouse.daemon.main import say_progress
from pilothouse.domain.errors import UnavailableError
from pilothouse.sqlite import driver
from pilothouse.store.migrations import SCHEMA
from pilothouse.system.paths import WorkspacePaths
from support import many_rows, older_registry, wait_until
from support.terminals import Terminal, screen_of

ROWS = 20_000
WAITING = """
import signal
import sys
from pathlib import Path
from pilothouse.api.client import Client
from pilothouse.composition import open_workspace

signal.signal(signal.SIGINT, signal.default_int_handler)  # what starts the tests may ignore it

def tell(done, total):
    if done:
        print(f"{done} of {total}", flush=True)
        sys.stdin.read()

open_workspace(Path(sys.argv[1]), progress=tell)
"""


@pytest.fixture(scope="module")
def older(tmp_path_factory: pytest.TempPathFactory) -> Path:
    paths = WorkspacePaths(tmp_path_factory.mktemp("older") / "workspace")
    paths.make_folders()
    with pytest.MonkeyPatch.context() as patch:
        older_registry.make(paths.registry, ROWS, patch)
    return paths.root


@pytest.fixture
def root(older: Path, tmp_path: Path) -> Path:
    paths = WorkspacePaths(tmp_path / "workspace")
    paths.make_folders()
    paths.registry.write_bytes(WorkspacePaths(older).registry.read_bytes())
    paths.registry.chmod(0o600)
    return paths.root


def state(root: Path) -> tuple[int, int, int, str]:
    """Version of the schema, rows of the log, whether the tree's table is there, and SQLite's own verdict."""
    connection = driver.connect(str(WorkspacePaths(root).registry))
    try:
        return (
            connection.execute("PRAGMA user_version").fetchone()[0],
            connection.execute("SELECT count(*) FROM audit").fetchone()[0],
            connection.execute("SELECT count(*) FROM sqlite_schema WHERE name = 'log_subtrees'").fetchone()[
                0
            ],
            connection.execute("PRAGMA integrity_check").fetchone()[0],
        )
    finally:
        connection.close()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT], ids=["kill -9", "Ctrl-C"])
def test_what_interrupts_it_leaves_the_workspace_as_it_was_and_the_next_start_does_it(
    root: Path, number: signal.Signals
) -> None:
    before = state(root)
    process = subprocess.Popen(
        [sys.executable, "-c", WAITING, str(root)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == f"8192 of {ROWS}\n", "it is in the midst of it"
        os.kill(process.pid, number)
        process.wait(30)
    finally:
        process.kill()
        process.communicate()
    assert process.returncode != 0
    assert state(root) == before == (older_registry.BEFORE, ROWS, 0, "ok")

    told: list[tuple[int, int]] = []
    open_workspace(root, progress=lambda *rows: told.append(rows)).close()
    assert told == [(0, ROWS), (8192, ROWS), (16_384, ROWS)]
    version, rows, _, verdict = state(root)
    assert (version > older_registry.BEFORE, rows, verdict) == (True, ROWS + 1, "ok")
    open_workspace(root, progress=lambda *rows: told.append(rows)).close()
    assert len(told) == 3, "it is done once"


def test_the_command_line_shows_it_on_a_terminal_and_nothing_elsewhere(root: Path, older: Path) -> None:
    command = [sys.executable, "-m", "pilothouse.cli.main", "-w", str(root), "upgrade", "--convert"]
    with Terminal(root, command=command) as terminal:
        wait_until(lambda: terminal.process.poll() is not None, 30)
        said = terminal.read_all()
        shown = [line.rstrip() for line in screen_of(terminal, 80, 24).display if line.strip()]
    assert f"8,192 of {ROWS:,} rows are brought to this release".encode() in said
    assert "may not" in " ".join(shown), "nobody has a role in it"
    assert "brought to this release" not in " ".join(shown), "the line is gone at the end"

    WorkspacePaths(root).registry.write_bytes(WorkspacePaths(older).registry.read_bytes())
    piped = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    assert "brought to this release" not in piped.stderr
    assert state(root)[0] > older_registry.BEFORE


@pytest.mark.parametrize(
    "looking",
    [
        ["status"],
        ["jobs"],
        ["--json", "versions", "delay"],
        ["doctor"],
        ["backup", "{root}/night.tar"],
        ["diff"],
        ["export", "telemetry", "{root}/out"],
        ["profile", __file__, "--model", "delay", "--on", "ewr"],
        ["policy", "show"],
        ["daemon", "status"],
        ["pause", "--reason", "a storm"],
        ["apply"],
        ["ssh", "keys-command", "pilothouse", "ssh-ed25519", "AAAA"],
    ],
)
def test_a_command_that_is_no_upgrade_says_what_to_do_and_leaves_the_registry_as_it_is(
    root: Path, looking: list[str]
) -> None:
    before = WorkspacePaths(root).registry.read_bytes()
    words = [word.replace("{root}", str(root)) for word in looking]
    command = [sys.executable, "-m", "pilothouse.cli.main", "-w", str(root), *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    assert done.returncode == (1 if looking == ["diff"] else UnavailableError.exit_code)
    said = done.stdout + done.stderr
    assert "the registry is of an older release" in said
    assert "pilothouse upgrade --apply does it" in said
    assert WorkspacePaths(root).registry.read_bytes() == before


def test_a_program_upgrades_no_registry(root: Path, older: Path) -> None:
    with pytest.raises(UnavailableError, match="upgrade --apply does it"):
        Client(root).models()
    assert WorkspacePaths(root).registry.read_bytes() == WorkspacePaths(older).registry.read_bytes()


def test_the_rows_that_are_compared_and_sealed_are_part_of_how_far_it_is(tmp_path: Path) -> None:
    root = tmp_path / "workspace"
    root.mkdir()
    many_rows.build(root, jobs=9_000)
    with closing(driver.connect(str(WorkspacePaths(root).registry), isolation_level=None)) as connection:
        connection.execute(f"PRAGMA user_version = {SCHEMA.version - 1}")
    told: list[tuple[int, int]] = []
    open_workspace(root, progress=lambda *rows: told.append(rows)).close()
    total = told[0][1]
    assert 27_000 < total < 28_000, "9,000 jobs before, their digests, and after"
    assert told == [(done, total) for done in (8_192, 16_384, 24_576)]


def test_the_console_shows_it_while_it_opens(root: Path) -> None:
    with Terminal(root, command=[sys.executable, "-m", "pilothouse.cli.main", "-w", str(root)]) as terminal:
        wait_until(lambda: f"of {ROWS:,} rows".encode() in terminal.output(), 30)
        wait_until(lambda: b"cannot be opened" in terminal.output(), 30)  # nobody has a role in it
        terminal.write(b"q")
        wait_until(lambda: terminal.process.poll() is not None, 30)
    assert state(root)[0] > older_registry.BEFORE


def test_the_daemons_log_says_each_tenth_once(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        tell = say_progress()
        for done in (0, 8_192, 16_384, 24_576, 90_112):
            tell(done, 100_000)
    assert [record.getMessage().split(" rows")[0] for record in caplog.records] == [
        "0 of 100,000",
        "16,384 of 100,000",
        "24,576 of 100,000",
        "90,112 of 100,000",
    ]
