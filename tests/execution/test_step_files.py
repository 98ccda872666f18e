"""Progress as it is written, by somebody who may write anything."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from pilothouse.domain.jobs.jobs import ProgressLine
from pilothouse.execution.step_files import ProgressTail, read_result


def line(fraction: object, message: str = "m") -> bytes:
    shown = f'"{fraction}"' if isinstance(fraction, str) else fraction
    return f'{{"at": 1.0, "fraction": {shown}, "message": "{message}", "figures": {{"rows": 2}}}}\n'.encode()


def test_progress_is_read_as_it_grows_also_in_pieces(tmp_path: Path) -> None:
    path = tmp_path / "progress.jsonl"
    found: list[ProgressLine] = []
    tail = ProgressTail(path, found.append)
    tail.read()
    assert found == []
    whole = line(0.5, "half")
    path.write_bytes(line(0.25, "quarter") + whole[:10])
    tail.read()
    with path.open("ab") as stream:
        stream.write(whole[10:])
    tail.read()
    tail.read()
    assert [(one.fraction, one.message) for one in found] == [(0.25, "quarter"), (0.5, "half")]
    assert found[0].figures == {"rows": 2.0}


def test_what_is_no_progress_is_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "progress.jsonl"
    found: list[ProgressLine] = []
    path.write_bytes(line(7) + b"[" * 5_000 + b"\nnull\n" + line("NaN") + b'{"fraction": 1}\n')
    ProgressTail(path, found.append).read()
    assert [one.fraction for one in found] == [1.0]


def test_a_flood_of_progress_costs_one_bounded_read(tmp_path: Path) -> None:
    path = tmp_path / "progress.jsonl"
    path.write_bytes(line(0.1) * 50_000 + line(0.9, "newest"))
    found: list[ProgressLine] = []
    tail = ProgressTail(path, found.append)
    tail.read()
    tail.read()
    assert [one.message for one in found] == ["newest"]


def test_progress_is_not_read_through_a_link_or_from_a_pipe(tmp_path: Path) -> None:
    (tmp_path / "other").write_bytes(line(0.5))
    (tmp_path / "link").symlink_to(tmp_path / "other")
    os.mkfifo(tmp_path / "pipe")
    found: list[ProgressLine] = []
    for name in ("link", "pipe"):
        ProgressTail(tmp_path / name, found.append).read()
    assert found == []


_SHUT = """
import os, pathlib, sys
from pilothouse.execution.step_files import discard_files
from pilothouse.execution.step_supervisor import _holds_more
if not os.getuid():
    os.chown(sys.argv[1], 65534, 65534)
    os.setresuid(65534, 65534, 65534)
folder = pathlib.Path(sys.argv[1])
os.chdir(folder)
for _ in range(3_000):
    os.mkdir("deep")
    os.chdir("deep")
os.chdir("/")
assert _holds_more(folder, 1 << 40)
discard_files(folder)
assert not list(folder.iterdir())
(folder / "log.txt").touch()
os.makedirs(folder / "a" / "b")
(folder / "a" / "b" / "left").write_bytes(b"rows")
(folder / "a" / "b").chmod(0o300)
(folder / "a").chmod(0o100)
assert _holds_more(folder, 1 << 40)
discard_files(folder)
print(sorted(path.name for path in folder.iterdir()))
"""


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """Folder below which every user may look; those of pytest are their owner's alone."""
    folder = Path(tempfile.mkdtemp(prefix="ph-open-", dir="/tmp"))
    yield folder
    shutil.rmtree(folder)


def test_folders_that_a_step_has_shut_count_as_full_and_are_emptied(open_folder: Path) -> None:
    done = subprocess.run([sys.executable, "-c", _SHUT, str(open_folder)], capture_output=True, text=True)
    assert done.stdout == "['log.txt']\n", done.stderr


def test_a_result_that_is_a_folder_is_none(tmp_path: Path) -> None:
    (tmp_path / "result.json").mkdir()
    result = read_result(tmp_path, "00")
    assert result is not None
    assert (result.ok, "expected a regular file: Is a directory" in result.error) == (False, True)
