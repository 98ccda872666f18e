"""Progress as it is written, by somebody who may write anything."""

import os
from pathlib import Path

from pilothouse.domain.jobs import ProgressLine
from pilothouse.execution.step_files import ProgressTail


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
