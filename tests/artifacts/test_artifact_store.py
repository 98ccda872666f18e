"""Content-addressed files: written once, verified when read, never half there."""

import hashlib
import os
from pathlib import Path

import pytest

from pilothouse.artifacts import ArtifactStore
from pilothouse.domain.errors import IntegrityError, InvalidInputError, NotFoundError, UnavailableError

DATA = b"a model, say" * 1_000


@pytest.fixture
def store(tmp_path: Path) -> ArtifactStore:
    return ArtifactStore(tmp_path / "artifacts")


def test_bytes_come_back_under_their_digest(store: ArtifactStore) -> None:
    digest = store.put_bytes(DATA)

    assert digest == hashlib.sha256(DATA).hexdigest()
    assert (store.read(digest), store.size(digest), store.has(digest)) == (DATA, len(DATA), True)
    assert list(store.digests()) == [digest]


def test_a_file_is_copied_in_and_may_go(store: ArtifactStore, tmp_path: Path) -> None:
    source = tmp_path / "model.skops"
    source.write_bytes(DATA)

    digest = store.put_file(source)
    source.unlink()

    assert store.read(digest) == DATA
    assert digest == store.put_bytes(DATA)


def test_files_are_read_only_and_their_folders_closed(store: ArtifactStore) -> None:
    path = store.path(store.put_bytes(DATA))

    assert path.stat().st_mode & 0o777 == 0o444
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert not [file for file in path.parent.parent.iterdir() if file.name.startswith(".incoming")]


def test_storing_again_keeps_what_is_there_and_makes_it_young(store: ArtifactStore) -> None:
    path = store.path(store.put_bytes(DATA))
    os.utime(path, (0, 0))
    before = path.stat()

    store.put_bytes(DATA)

    assert path.stat().st_ino == before.st_ino
    assert path.stat().st_mtime > 0
    assert path.stat().st_mode == before.st_mode


def test_a_changed_file_is_found_out(store: ArtifactStore) -> None:
    digest = store.put_bytes(DATA)
    path = store.path(digest)
    path.chmod(0o600)
    path.write_bytes(DATA[:-1] + b"!")

    with pytest.raises(IntegrityError, match=f"artifact {digest} is damaged"):
        store.read(digest)


@pytest.mark.parametrize(
    "name", ["", "abc", "../../registry.db", "A" * 64, "g" * 64, "/etc/passwd", "0" * 63 + "/"]
)
def test_only_digests_name_a_file(store: ArtifactStore, name: str) -> None:
    with pytest.raises(InvalidInputError, match="not a sha256 digest"):
        store.read(name)


def test_what_was_never_stored_is_not_found(store: ArtifactStore, tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="no artifact"):
        store.read("0" * 64)
    with pytest.raises(NotFoundError, match="cannot be read"):
        store.put_file(tmp_path / "nothing")
    assert list(store.digests()) == []


def test_a_store_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    (tmp_path / "artifacts").write_text("a file where a folder should be")

    with pytest.raises(UnavailableError, match="cannot be written"):
        ArtifactStore(tmp_path / "artifacts").put_bytes(DATA)


def test_a_failed_copy_leaves_nothing(store: ArtifactStore, tmp_path: Path) -> None:
    store.put_bytes(b"first")

    with pytest.raises(NotFoundError, match="cannot be read"):
        store.put_file(tmp_path)

    assert not [
        file for file in (tmp_path / "artifacts" / "sha256").iterdir() if file.name.startswith(".incoming")
    ]
