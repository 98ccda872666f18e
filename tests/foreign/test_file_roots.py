"""Files of versions: from where MLflow keeps them, and from what the operator names; from nothing else beside the database."""

from pathlib import Path

import pytest

from pilothouse.domain.errors import NotFoundError
from pilothouse.foreign.file_roots import FileRoots


@pytest.fixture
def home(tmp_path: Path) -> Path:
    for folder in ("mlruns/0/run/artifacts", "mlartifacts/1", ".ssh", "own/model"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "file").write_text(folder)
    (tmp_path / "mlruns" / "link").symlink_to(tmp_path / ".ssh")
    return tmp_path


def names(roots: FileRoots, location: str) -> list[str]:
    return [one.path for one in roots.files(location)]


def test_files_come_from_the_folders_of_mlflow_and_those_that_are_named(home: Path) -> None:
    roots = FileRoots(home, [])
    assert names(roots, f"file://{home}/mlruns/0/run/artifacts") == ["file"]
    assert names(roots, "mlflow-artifacts:/1") == ["file"]
    assert names(FileRoots(home, [home / "own"]), str(home / "own" / "model")) == ["file"]


@pytest.mark.parametrize(
    "location", [".ssh", ".", "own/model", "mlruns/../.ssh", "mlruns/link", "mlflow-artifacts:/../.ssh"]
)
def test_what_else_lies_beside_the_database_is_not_read(home: Path, location: str) -> None:
    with pytest.raises(NotFoundError, match="--artifacts"):
        names(FileRoots(home, []), location)
    with pytest.raises(NotFoundError):
        names(FileRoots(home, []), f"file://{home}/{location}" if ":" not in location else location)
