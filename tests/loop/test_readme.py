"""The README's block for a model of one's own, typed line by line by one person."""

import json
import re
import shutil
from pathlib import Path

import pytest

from support import typed_pages

ROOT = Path(__file__).parents[2]


def lines() -> list[str]:
    """Commands of the README's second block of a console."""
    blocks = re.findall(
        r"^```console\n(.*?)^```", (ROOT / "README.md").read_text("utf-8"), re.DOTALL | re.MULTILINE
    )
    return [line.removeprefix("$ ") for line in blocks[1].splitlines()]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder as it is after the repository was cloned, with the sample data in it."""
    (tmp_path / "sample_data").mkdir()
    shutil.copy(ROOT / "sample_data" / "bikeshare.parquet", tmp_path / "sample_data")
    return tmp_path


def test_lines_as_typed(folder: Path) -> None:
    typed = lines()
    assert typed[0].startswith("pilothouse init ")
    script = "\n".join(f"{line}\necho \"$?\" >> '{folder}/codes'" for line in typed)
    done = typed_pages.run(script, folder)
    shown = done.stdout + done.stderr
    codes = dict(zip(typed, map(int, (folder / "codes").read_text().split()), strict=True))
    status = next(line for line in typed if line.startswith("pilothouse status"))
    assert codes.pop(status) in typed_pages.STATUS, shown
    assert {line: code for line, code in codes.items() if code} == {}, shown
    answer = json.loads(next(line for line in done.stdout.splitlines() if line.startswith('{"model"')))
    assert (answer["model"], answer["version"]) == ("rentals", 1)
    assert answer["rows"][0]["prediction"] > 0
    assert "SOLO: " in shown
    assert re.search(r"^identical", shown, re.MULTILINE), shown
