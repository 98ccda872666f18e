"""The copy of an older registry that is kept before a command, the console or a daemon brings it to this release."""

import shutil
import signal
import subprocess
import sys
from collections import namedtuple
from contextlib import closing
from pathlib import Path

import pytest

from pilothouse.composition import open_workspace
from pilothouse.domain.errors import ConflictError
from pilothouse.operations.workspace import before_upgrade, workspaces
from pilothouse.sqlite import driver
from pilothouse.sqlite.schema import version_of
from pilothouse.store.migrations import SCHEMA
from pilothouse.system.paths import WorkspacePaths
from support import older_registry

Usage = namedtuple("Usage", "total used free")
KEPT = "backups/registry-before-upgrade.db"


@pytest.fixture
def paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> WorkspacePaths:
    """A workspace of an earlier release."""
    paths = WorkspacePaths(tmp_path / "a workspace")
    paths.root.mkdir()
    paths.make_folders()
    older_registry.make(paths.registry, 40, monkeypatch)
    return paths


def entries(file: Path) -> int:
    with closing(driver.connect(str(file))) as connection:
        (count,) = connection.execute("SELECT count(*) FROM audit").fetchone()
    return int(count)


def test_the_registry_as_it_was_is_kept_and_the_doctor_knows_it(paths: WorkspacePaths) -> None:
    assert before_upgrade.kept_text(paths) == "none of an earlier release"
    told: list[str] = []
    open_workspace(paths.root, tell=told.append).close()
    kept = paths.root / KEPT
    assert version_of(paths.registry, SCHEMA) == SCHEMA.version
    assert (version_of(kept, SCHEMA), entries(kept)) == (older_registry.BEFORE, 40)
    assert kept.stat().st_mode & 0o077 == 0
    assert told == [
        f"the registry as it was, of schema {older_registry.BEFORE}, is kept as {KEPT}: docs/upgrade.md has the way back"
    ]
    assert before_upgrade.kept_text(paths).startswith(f"{KEPT}: schema {older_registry.BEFORE}, ")
    open_workspace(paths.root, tell=told.append).close()
    assert len(told) == 1, "there is nothing to upgrade any more"


def test_the_kept_registry_is_a_way_back(paths: WorkspacePaths) -> None:
    open_workspace(paths.root).close()
    for left in paths.state.glob("registry.db*"):
        left.unlink()
    shutil.copy(paths.root / KEPT, paths.registry)
    told: list[str] = []
    open_workspace(paths.root, tell=told.append).close()
    assert version_of(paths.registry, SCHEMA) == SCHEMA.version
    assert [file.name for file in (paths.root / "backups").iterdir()] == [Path(KEPT).name]
    assert "is kept" in told[0]


def test_where_there_is_no_room_it_is_said_and_the_upgrade_goes_on(
    paths: WorkspacePaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(1 << 40, 0, 100 << 20))
    told: list[str] = []
    open_workspace(paths.root, tell=told.append).close()
    assert version_of(paths.registry, SCHEMA) == SCHEMA.version
    assert "no copy of the registry before its upgrade is kept" in told[0]
    assert "100 MiB are free" in told[0]
    assert not (paths.root / KEPT).exists()


def test_after_a_backup_of_everything_no_copy_is_kept(paths: WorkspacePaths) -> None:
    open_workspace(paths.root, keeps_copy=False).close()
    assert not (paths.root / KEPT).exists()


_KILLED = """
import dataclasses, os, signal, sys
from pathlib import Path
from pilothouse.composition import open_workspace
from pilothouse.domain.errors import ConflictError
from pilothouse.operations.workspace import before_upgrade, workspaces
from pilothouse.store.migrations import MIGRATIONS
copy = before_upgrade.copy_database
def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)
if sys.argv[2] == "copy":
    before_upgrade.copy_database = lambda *of: (copy(*of), die())
else:
    MIGRATIONS["registry_20"] = dataclasses.replace(MIGRATIONS["registry_20"], change=die)
open_workspace(Path(sys.argv[1]))
"""


@pytest.mark.parametrize("during", ["copy", "upgrade"])
def test_a_process_that_is_killed_leaves_a_workspace_that_opens(paths: WorkspacePaths, during: str) -> None:
    done = subprocess.run([sys.executable, "-c", _KILLED, str(paths.root), during], capture_output=True)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert version_of(paths.registry, SCHEMA) == older_registry.BEFORE
    assert (paths.root / KEPT).exists() is (during == "upgrade")
    open_workspace(paths.root).close()
    assert version_of(paths.registry, SCHEMA) == SCHEMA.version
    assert entries(paths.root / KEPT) == 40
    assert [file.name for file in (paths.root / "backups").iterdir()] == [Path(KEPT).name]


def test_a_workspace_of_an_earlier_release_is_not_made_again(paths: WorkspacePaths) -> None:
    with pytest.raises(ConflictError, match="is a workspace already"):
        workspaces.initialise(paths.root, "ada")
    assert version_of(paths.registry, SCHEMA) == older_registry.BEFORE
