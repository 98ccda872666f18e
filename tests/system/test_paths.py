"""Where things of a workspace lie."""

from pathlib import Path

import pytest

from pilothouse.system.paths import WorkspacePaths


def test_all_state_lies_below_the_workspace_and_is_its_owners_alone(tmp_path: Path) -> None:
    paths = WorkspacePaths(tmp_path / "w")
    paths.make_folders()

    for folder in (paths.state, paths.artifacts, paths.jobs, paths.serving):
        assert folder.is_relative_to(paths.state)
        assert folder.stat().st_mode & 0o777 == 0o700
    assert paths.step_folder(7, 2, 1, "fit") == paths.jobs / "7" / "2" / "01-fit"


def test_the_socket_of_a_deep_workspace_lies_in_a_short_closed_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path.parent))
    deep = WorkspacePaths(tmp_path / ("d" * 90))
    deep.make_folders()

    assert len(str(deep.hub_socket)) < 108
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / ("r" * 90)))
    assert len(str(deep.hub_socket)) < 108, "where the runtime folder's own path is too long as well"
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path.parent))
    assert deep.hub_socket.parent.stat().st_mode & 0o777 == 0o700
    assert deep.hub_socket == WorkspacePaths(tmp_path / ("d" * 90)).hub_socket
    assert deep.hub_socket != WorkspacePaths(tmp_path / ("e" * 90)).hub_socket
