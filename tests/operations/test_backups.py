"""Copies of a live workspace, and what is refused when one is put back."""

import io
import json
import tarfile
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from pilothouse.composition import open_workspace
from pilothouse.domain.errors import (
    ConflictError,
    IntegrityError,
    InvalidInputError,
    NotAllowedError,
    NotFoundError,
)
from pilothouse.operations import catalogue
from pilothouse.operations.jobs import job_attempts, results
from pilothouse.operations.services import Services
from pilothouse.operations.upkeep import backups, restores
from pilothouse.operations.workspace import apply_models, audits
from pilothouse.sqlite import driver
from support.job_workspace import (
    ADMIN,
    MODEL,
    SCIENTIST,
    actor,
    applied,
    claim,
    outcome_of,
    queue,
    trained,
    write_model,
)
from support.older_telemetry import make_form_5


@pytest.fixture
def services(tmp_path: Path) -> Services:
    services = applied(tmp_path / "workspace")
    trained(services)
    return services


def back_up(services: Services, file: Path) -> backups.BackupSummary:
    return backups.backup(services, actor(services, ADMIN), file)


def rewritten(
    file: Path,
    change: Callable[[tarfile.TarInfo, bytes], tuple[tarfile.TarInfo, bytes] | None],
    extra: str | None = None,
) -> Path:
    """The backup with entries changed, left out (None), or one more in front."""
    again = file.with_name("again.tar")
    with tarfile.open(file) as old, tarfile.open(again, "w") as new:
        if extra is not None:
            entry = tarfile.TarInfo(extra)
            entry.size = 4
            new.addfile(entry, io.BytesIO(b"evil"))
        for entry in old:
            stream = old.extractfile(entry)
            assert stream is not None
            kept = change(entry, stream.read())
            if kept is not None:
                kept[0].size = len(kept[1])
                new.addfile(kept[0], io.BytesIO(kept[1]))
    return again


def as_is(entry: tarfile.TarInfo, data: bytes) -> tuple[tarfile.TarInfo, bytes]:
    return entry, data


def test_descriptions_of_targets_and_plans_are_in_a_backup(services: Services, tmp_path: Path) -> None:
    files = {"targets.toml": "# where\n", "plans.toml": "# how\n"}
    for name, text in files.items():
        (services.paths.root / name).write_text(text)
    restores.restore(back_up(services, tmp_path / "copy.tar").file, tmp_path / "restored")
    assert {name: (tmp_path / "restored" / name).read_text() for name in files} == files
    assert all((tmp_path / "restored" / name).stat().st_mode & 0o777 == 0o644 for name in files)


def test_a_backup_of_an_earlier_form_is_opened(services: Services, tmp_path: Path) -> None:
    services.telemetry.check()
    connection = driver.connect(str(services.paths.telemetry), isolation_level=None)
    make_form_5(connection)
    connection.close()
    summary = back_up(services, tmp_path / "copy.tar")

    restores.restore(summary.file, tmp_path / "restored")

    again = open_workspace(tmp_path / "restored")
    again.telemetry.check()
    with again.telemetry.read() as telemetry:
        assert telemetry.execute("SELECT count(*) FROM outcomes").fetchone()[0] == 0
    again.close()


def test_a_restored_workspace_is_the_same_and_can_be_worked_in(services: Services, tmp_path: Path) -> None:
    (services.paths.models / "demo" / "helper.py").write_text("x = 1\n")
    summary = back_up(services, tmp_path / "copy.tar")

    head = restores.restore(summary.file, tmp_path / "restored").head

    assert (head.count, head.hash) == (summary.audit_count, summary.audit_hash)
    again = open_workspace(tmp_path / "restored")
    scientist = actor(again, SCIENTIST)
    (version,) = catalogue.list_versions(again, scientist, "demo")
    assert version == catalogue.list_versions(services, scientist, "demo")[0]
    assert again.artifacts.read(version.model_digest) == services.artifacts.read(version.model_digest)
    assert (again.paths.models / "demo" / "helper.py").read_text() == "x = 1\n"
    assert again.paths.state.stat().st_mode & 0o777 == 0o700
    assert again.paths.registry.stat().st_mode & 0o777 == 0o600
    with again.registry.read() as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone()[0] == "wal"
    (tmp_path / "restored" / "data").mkdir()
    (tmp_path / "restored" / "data" / "rows.parquet").write_bytes(
        (services.paths.root / "data" / "rows.parquet").read_bytes()
    )
    assert [c.action for c in apply_models.apply(again, scientist)] == ["unchanged"]
    assert trained(again).number == 2
    audits.verify(again, scientist)


def test_the_backup_is_in_the_audit_log_with_its_digest(services: Services, tmp_path: Path) -> None:
    summary = back_up(services, tmp_path / "copy.tar")

    newest = audits.show(services, actor(services, ADMIN), limit=1)[0]
    assert newest.action == "workspace.backed_up"
    assert newest.detail["sha256"] == summary.digest


def test_a_backup_never_overwrites_and_leaves_nothing_beside_it(services: Services, tmp_path: Path) -> None:
    file = tmp_path / "copy.tar"
    file.write_text("precious")

    with pytest.raises(ConflictError, match="a backup never overwrites"):
        back_up(services, file)

    assert file.read_text() == "precious"
    back_up(services, tmp_path / "other.tar")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["copy.tar", "other.tar", "workspace"]
    assert (tmp_path / "other.tar").stat().st_mode & 0o777 == 0o600


def test_a_place_that_is_none_is_refused(services: Services, tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="is not a folder"):
        back_up(services, tmp_path / "nowhere" / "copy.tar")
    with pytest.raises(InvalidInputError, match="lies in what is backed up"):
        back_up(services, services.paths.models / "copy.tar")


def test_who_may_not_back_up_cannot(services: Services, tmp_path: Path) -> None:
    with pytest.raises(NotAllowedError, match="back up the workspace"):
        backups.backup(services, actor(services, SCIENTIST), tmp_path / "copy.tar")
    assert not (tmp_path / "copy.tar").exists()


def test_links_among_model_files_are_not_followed(services: Services, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    (services.paths.models / "demo" / "link.py").symlink_to(tmp_path / "secret")

    summary = back_up(services, tmp_path / "copy.tar")

    assert summary.skipped == ("models/demo/link.py",)
    assert b"secret" not in summary.file.read_bytes()


def test_a_copy_made_while_others_write_is_sound(services: Services, tmp_path: Path) -> None:
    stop = threading.Event()

    def work() -> None:
        own = open_workspace(services.paths.root)
        while not stop.is_set():
            queue(own)
            held = claim(own)
            results.record_training(own, held, outcome_of(own, held))
        own.close()

    writer = threading.Thread(target=work)
    writer.start()
    try:
        files = [back_up(services, tmp_path / f"copy-{i}.tar").file for i in range(3)]
    finally:
        stop.set()
        writer.join()

    counts = []
    for file in files:
        restores.restore(file, tmp_path / file.stem)
        again = open_workspace(tmp_path / file.stem)
        for version in catalogue.list_versions(again, actor(again, SCIENTIST), "demo"):
            again.artifacts.read(version.model_digest)
        counts.append(len(catalogue.list_versions(again, actor(again, SCIENTIST), "demo")))
        lost = job_attempts.requeue_lost(again, leader="new daemon")
        assert all(job.attempt == 1 for job in lost)
    assert counts == sorted(counts)


class TestRefused:
    @pytest.fixture
    def file(self, services: Services, tmp_path: Path) -> Path:
        return back_up(services, tmp_path / "copy.tar").file

    def refuse(self, file: Path, words: str) -> None:
        root = file.parent / "restored"
        with pytest.raises(IntegrityError, match=words):
            restores.restore(file, root)
        assert not root.exists()
        assert not list(file.parent.glob(".restored*"))

    @pytest.mark.parametrize(
        "name",
        [
            "../evil",
            "/etc/evil",
            "models/../../evil",
            "models/./x",
            "state/hub.sock",
            "state/jobs/1/x",
            "models//x",
            "models",
        ],
    )
    def test_an_entry_that_leads_elsewhere(self, file: Path, name: str) -> None:
        self.refuse(rewritten(file, as_is, name), "has no place")
        assert not (file.parent / "evil").exists()

    def test_a_link(self, file: Path) -> None:
        def link(entry: tarfile.TarInfo, data: bytes) -> tuple[tarfile.TarInfo, bytes]:
            if entry.name == "models/demo/model.toml":
                entry.type, entry.linkname = tarfile.SYMTYPE, "/etc/passwd"
                return entry, b""
            return entry, data

        self.refuse(rewritten(file, link), "is a link or a special file")

    def test_a_changed_byte(self, file: Path) -> None:
        def flip(entry: tarfile.TarInfo, data: bytes) -> tuple[tarfile.TarInfo, bytes]:
            return entry, data.replace(b"team", b"meat") if entry.name.endswith("model.toml") else data

        self.refuse(rewritten(file, flip), r"model\.toml is not what was backed up")

    def test_a_missing_file(self, file: Path) -> None:
        self.refuse(
            rewritten(file, lambda e, d: None if e.name.endswith("model.toml") else (e, d)),
            "is listed and missing",
        )

    def test_a_file_that_was_cut(self, file: Path) -> None:
        data = file.read_bytes()
        for length in (len(data) // 2, len(data) - 12_000):
            cut = file.with_name("cut.tar")
            cut.write_bytes(data[:length])
            self.refuse(cut, "is not a sound backup")

    def test_an_artifact_under_a_wrong_name(self, file: Path) -> None:
        names: list[str] = []

        def rename(entry: tarfile.TarInfo, data: bytes) -> tuple[tarfile.TarInfo, bytes]:
            if entry.name == "manifest.json":
                plain = json.loads(data)
                plain["files"][names[0][:-1] + "0"] = plain["files"].pop(names[0])
                return entry, json.dumps(plain).encode()
            if entry.name.startswith("state/artifacts") and not names and not entry.name.endswith("0"):
                names.append(entry.name)
                entry.name = entry.name[:-1] + "0"
            return entry, data

        self.refuse(rewritten(file, rename), "does not have the digest that it is named by")

    def test_an_artifact_that_the_registry_needs(self, services: Services, file: Path) -> None:
        version = catalogue.get_version(services, actor(services, SCIENTIST), "models:/demo/1")

        def drop(entry: tarfile.TarInfo, data: bytes) -> tuple[tarfile.TarInfo, bytes] | None:
            if entry.name == "manifest.json":
                plain = json.loads(data)
                plain["files"] = {n: f for n, f in plain["files"].items() if version.model_digest not in n}
                return entry, json.dumps(plain).encode()
            return None if version.model_digest in entry.name else (entry, data)

        self.refuse(rewritten(file, drop), f"the registry names artifact {version.model_digest}")

    def test_something_that_is_no_backup(self, file: Path, tmp_path: Path) -> None:
        other = tmp_path / "notes.txt"
        other.write_text("hello")

        self.refuse(other, "is not a sound backup")
        with pytest.raises(NotFoundError, match="does not exist"):
            restores.restore(tmp_path / "nothing.tar", tmp_path / "restored")

    def test_a_folder_that_is_not_empty(self, file: Path, tmp_path: Path) -> None:
        (tmp_path / "full").mkdir()
        (tmp_path / "full" / "precious").write_text("x")

        with pytest.raises(ConflictError, match="is not empty"):
            restores.restore(file, tmp_path / "full")

        (tmp_path / "empty").mkdir()
        restores.restore(file, tmp_path / "empty")
        assert (tmp_path / "empty" / "models" / "demo" / "model.toml").read_text() == MODEL


def test_telemetry_is_part_of_the_copy(services: Services, tmp_path: Path) -> None:
    services.telemetry.read()
    write_model(services.paths.root, MODEL)

    summary = back_up(services, tmp_path / "copy.tar")
    restores.restore(summary.file, tmp_path / "restored")

    assert (tmp_path / "restored" / "state" / "telemetry.db").exists()
    again = open_workspace(tmp_path / "restored")
    assert again.event_clock("ewr") is None
