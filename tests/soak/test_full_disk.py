"""A small disk runs full during changes, an artifact, the log, a training: said clearly, nothing half, and on it goes."""

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from pilothouse.confinement import probe
from pilothouse.daemon import control
from pilothouse.domain.confinement import confines
from pilothouse.domain.errors import UnavailableError
from pilothouse.domain.identity.roles import Role
from pilothouse.domain.jobs.jobs import JobStatus
from pilothouse.operations.jobs import trainings
from pilothouse.operations.workspace import audits, workspaces, write_state
from pilothouse.store.log import audit_agreement
from pilothouse.store.models import versions
from support import wait_until
from support.small_workspace import SmallWorkspace, make_small_workspace

SIZE_MB = 48


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 48 MB in memory. Mounting it takes root; elsewhere this proof cannot be made."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={SIZE_MB}m", "tmpfs", place], capture_output=True, text=True
    )
    if mounted.returncode:
        pytest.skip(f"a small disk cannot be mounted here: {mounted.stderr.strip()}")
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", place], check=True)


@contextlib.contextmanager
def full(disk: Path, *, but: int = 0) -> Iterator[None]:
    """Fill the disk but for so many bytes; empty again afterwards."""
    filler = disk / "filler"
    with filler.open("wb") as stream, contextlib.suppress(OSError):
        while True:
            os.write(stream.fileno(), b"\0" * (1 << 16))
    with filler.open("ab") as stream, contextlib.suppress(OSError):
        while True:
            os.write(stream.fileno(), b"\0" * 512)
    os.truncate(filler, max(0, filler.stat().st_size - but))
    try:
        yield
    finally:
        filler.unlink()


def sound(small_workspace: SmallWorkspace) -> None:
    """Database, chain, records and every artifact that is referred to."""
    services = small_workspace.services
    services.registry.check()
    audits.verify(services, small_workspace.admin)
    with services.registry.read() as connection:
        assert list(audit_agreement.disagreements(connection)) == []
        for digest in versions.artifact_digests(connection):
            services.artifacts.read(digest)


def _grant_many(small_workspace: SmallWorkspace) -> None:
    for number in range(1_000):
        workspaces.grant_role(small_workspace.services, small_workspace.admin, f"person{number}", Role.VIEWER)


def test_a_change_and_an_artifact_on_a_full_disk(disk: Path) -> None:
    small_workspace = make_small_workspace(disk / "w")
    services = small_workspace.services
    try:
        with full(disk):
            with pytest.raises(UnavailableError, match=r"disk that holds .* is full: make room"):
                _grant_many(small_workspace)
            with pytest.raises(UnavailableError, match="cannot be written"):
                services.artifacts.put_bytes(os.urandom(1 << 20))
        assert list(services.paths.artifacts.rglob(".incoming-*")) == []
        sound(small_workspace)
        workspaces.grant_role(services, small_workspace.admin, "somebody", Role.VIEWER)
        services.artifacts.read(services.artifacts.put_bytes(os.urandom(1 << 20)))
        sound(small_workspace)
    finally:
        services.close()


@pytest.mark.skipif(not confines(probe.offered()), reason="nothing confines here")
def test_a_training_and_the_daemon_on_a_full_disk(disk: Path) -> None:
    small_workspace = make_small_workspace(disk / "w")
    services = small_workspace.services
    try:
        control.start_in_background(small_workspace.root)
        first = small_workspace.ended(small_workspace.train().id)
        assert first.status is JobStatus.SUCCEEDED, first.error
        job = trainings.start_training(services, small_workspace.scientist, "delay", reason="on a full disk")
        with full(disk, but=64 << 10):
            wait_until(
                lambda: write_state.state(services) is not None or small_workspace.job(job.id).status.ended,
                timeout=60,
            )
            wait_until(lambda: write_state.state(services) is not None, timeout=60)
            with pytest.raises(UnavailableError, match=r"read-only since .* MiB free"):
                small_workspace.train()
        wait_until(lambda: write_state.state(services) is None, timeout=60)
        ended = small_workspace.ended(job.id, timeout=120)
        assert ended.status is JobStatus.SUCCEEDED or "disk" in ended.error or "space" in ended.error, ended
        assert small_workspace.ended(small_workspace.train().id).status is JobStatus.SUCCEEDED
        sound(small_workspace)
    finally:
        control.stop(small_workspace.root)
        control.stop_serving(small_workspace.root)
        services.close()
