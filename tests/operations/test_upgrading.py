"""The upgrade of a workspace: tried on a copy, backed up as it was, put on record, and refused where it may not be."""

import json
import subprocess
import sys
import tarfile
from contextlib import closing
from dataclasses import asdict
from pathlib import Path

import pytest

from pilothouse.composition import open_workspace
from pilothouse.domain.errors import ConflictError, NotAllowedError
from pilothouse.operations.services import Services
from pilothouse.operations.upkeep import restores, upgrading
from pilothouse.operations.workspace import audits, doctor, workspaces
from pilothouse.sqlite.connection import connect
from pilothouse.store.migrations import SCHEMA
from pilothouse.system.processes import name_of
from support import older_registry
from support.archives import unpack
from support.job_workspace import ADMIN, SCIENTIST, actor, make_workspace


def identify(name: str):
    return lambda services: workspaces.identify(services, name)


def schema_of(file: Path) -> int:
    with closing(connect(file, read_only=True)) as connection:
        return int(connection.execute("PRAGMA user_version").fetchone()[0])


@pytest.fixture
def older(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Services:
    """Paths of a workspace whose registry is of an earlier release, with one admin."""
    services = make_workspace(tmp_path / "w")
    services.close()
    paths = services.paths
    for file in paths.state.glob("registry.db*"):
        file.unlink()
    older_registry.make(paths.registry, 40, monkeypatch)
    with closing(connect(paths.registry)) as connection:
        connection.execute(
            "INSERT INTO grants (actor, role, model, granted_by, recorded_at) VALUES (?, 'admin', '', ?, 1)",
            (ADMIN, ADMIN),
        )
    return services


def test_a_workspace_of_an_earlier_release_is_backed_up_in_its_own_schema_before_it_is_touched(
    older: Services, tmp_path: Path
) -> None:
    paths = older.paths
    assert upgrading.plan(paths) == upgrading.UpgradePlan(older_registry.BEFORE, SCHEMA.version, None)
    told: list[str] = []
    copied = upgrading.back_up(paths, identify(ADMIN), tmp_path / "before.tar", told.append)
    assert told[0] == "the registry is copied, to try the upgrade on the copy"
    assert "the workspace is backed up" in told
    assert "state/registry.db" in told[-1]
    assert schema_of(paths.registry) == older_registry.BEFORE

    with tarfile.open(copied.file) as tar:
        unpack(tar, tmp_path / "unpacked")
    assert schema_of(tmp_path / "unpacked" / "state" / "registry.db") == older_registry.BEFORE
    manifest = json.loads((tmp_path / "unpacked" / "manifest.json").read_text())
    assert (manifest["created_by"], manifest["audit"]["count"]) == (ADMIN, 40)
    assert restores.restore(copied.file, tmp_path / "back").head.count == 40

    with closing(open_workspace(paths.root)) as services:
        upgrading.record(services, actor(services, ADMIN), older_registry.BEFORE, copied)
        (entry,) = audits.show(services, actor(services, ADMIN), text="workspace.upgraded")
        assert (entry.actor, entry.detail["before"], entry.detail["schema"]) == (
            ADMIN,
            older_registry.BEFORE,
            SCHEMA.version,
        )
        assert entry.detail["sha256"] == copied.digest
        assert [
            f
            for f in doctor.diagnose(services, actor(services, ADMIN))
            if f.check == "audit chain" and not f.ok
        ] == []


def test_who_may_not_make_a_backup_does_not_upgrade_and_leaves_nothing(
    older: Services, tmp_path: Path
) -> None:
    with pytest.raises(NotAllowedError):
        upgrading.back_up(older.paths, identify("mallory"), tmp_path / "before.tar")
    assert not (tmp_path / "before.tar").exists()
    assert schema_of(older.paths.registry) == older_registry.BEFORE


def test_a_running_daemon_and_a_file_that_is_there_hold_it_up(tmp_path: Path) -> None:
    services = make_workspace(tmp_path / "w")
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other:
        services.paths.daemon_lock.write_text(json.dumps(asdict(name_of(other.pid))))
        with pytest.raises(ConflictError, match=f"as pid {other.pid}: stop that daemon first"):
            upgrading.back_up(services.paths, identify(ADMIN), tmp_path / "before.tar")
        assert upgrading.plan(services.paths).daemon == other.pid
        other.communicate(b"\n")
    (tmp_path / "before.tar").write_text("mine")
    with pytest.raises(ConflictError, match="never overwrites"):
        upgrading.back_up(services.paths, identify(ADMIN), tmp_path / "before.tar")
    with pytest.raises(NotAllowedError):
        upgrading.back_up(services.paths, identify(SCIENTIST), tmp_path / "other.tar")
