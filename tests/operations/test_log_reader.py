"""A log by lines: the same lines wherever blocks end, however it grows, whatever bytes it holds."""

import random
from pathlib import Path

import pytest

from pilothouse.operations.jobs import log_reader
from pilothouse.operations.jobs.log_reader import LogReader


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """A job's folder with one step."""
    file = tmp_path / "1" / "01-fit" / "log.txt"
    file.parent.mkdir(parents=True)
    file.touch()
    return file


def folder_of(log: Path) -> Path:
    return log.parents[2]


@pytest.mark.parametrize("block", [7, 64, 1 << 18])
def test_lines_are_the_same_wherever_blocks_end(log: Path, monkeypatch, block: int) -> None:
    monkeypatch.setattr(log_reader, "BLOCK", block)
    chance = random.Random(7)
    lines = ["x" * chance.choice([0, 1, 5, 40, 200]) + str(i) for i in range(300)]
    log.write_text("\n".join(lines) + "\n")
    reader = LogReader(folder_of(log))
    assert reader.refresh()
    assert not reader.refresh()
    whole = ["── fit ──", *lines]
    assert reader.lines == len(whole)
    assert reader.read(0, 1_000) == whole
    for first in chance.sample(range(len(whole)), 40):
        assert reader.read(first, 9) == whole[first : first + 9]
    assert reader.read(len(whole), 5) == []


def test_what_is_added_is_taken_in_and_a_line_without_an_end_counts(log: Path, monkeypatch) -> None:
    monkeypatch.setattr(log_reader, "BLOCK", 16)
    reader = LogReader(folder_of(log))
    seen = []
    with log.open("a") as file:
        for piece in ("first li", "ne\nsecond\n", "third", " and a long one that crosses blocks\n", "last"):
            file.write(piece)
            file.flush()
            reader.refresh()
            seen.append(reader.lines)
    assert seen == [2, 3, 4, 4, 5]
    assert reader.read(3, 9) == ["third and a long one that crosses blocks", "last"]


@pytest.mark.parametrize("block", [16, 1 << 18])
def test_search_goes_both_ways_and_finds_what_crosses_blocks(log: Path, monkeypatch, block: int) -> None:
    monkeypatch.setattr(log_reader, "BLOCK", block)
    log.write_text("".join(f"line {i} {'Needle in hay' if i % 10 == 3 else 'hay'}\n" for i in range(40)))
    reader = LogReader(folder_of(log))
    reader.refresh()
    assert reader.search("needle", 0) == 4
    assert reader.search("NEEDLE", 5) == 14
    assert reader.search("needle", 13, forward=False) == 4
    assert reader.search("needle", 4, forward=False) == 4
    assert reader.search("needle", 3, forward=False) is None
    assert reader.search("needle", 35) is None
    assert reader.search("", 0) is None


def test_lines_without_end_and_bytes_that_are_no_text_are_handed_out_cut(log: Path) -> None:
    log.write_bytes(b"\xff\xfe\n" + b"x" * 20_000_000 + b"\nend\n")
    reader = LogReader(folder_of(log))
    reader.refresh()
    assert reader.lines == 4
    lines = reader.read(1, 2)
    assert lines[0] == "\ufffd\ufffd"
    assert len(lines[1]) == log_reader.LINE_LIMIT
    assert reader.read(3, 1) == ["end"]
