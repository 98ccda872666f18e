"""Folders that commands write are whole, or as they were."""

from pathlib import Path

import pytest

from pilothouse.domain.errors import ConflictError, UnavailableError
from pilothouse.system.destinations import write_new_folder


@pytest.mark.parametrize("is_there", [False, True])
def test_a_folder_is_written_whole_or_stays_as_it_was(tmp_path: Path, is_there: bool) -> None:
    folder = tmp_path / "out" if is_there else tmp_path / "new" / "out"
    if is_there:
        folder.mkdir()
    with pytest.raises(UnavailableError, match=r"cannot be written: .* name another folder"):
        write_new_folder({"a": b"1", "a/b": b"2"}, folder)
    assert folder.exists() is is_there
    assert [*folder.parent.iterdir()] == ([folder] if is_there else [])

    write_new_folder({"a": b"1", "proof/verify.sh": b"2"}, folder)
    assert {path.relative_to(folder).as_posix() for path in folder.rglob("*")} == {
        "a",
        "proof",
        "proof/verify.sh",
    }
    assert [(folder / name).stat().st_mode & 0o777 for name in ("a", "proof/verify.sh")] == [0o644, 0o755]
    with pytest.raises(ConflictError, match="is not empty"):
        write_new_folder({"a": b"3"}, folder)
    assert (folder / "a").read_bytes() == b"1"
