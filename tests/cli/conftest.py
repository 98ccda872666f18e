"""A workspace for the command line: people, a small data file, one model."""

import csv
import json
import random
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from pilothouse.cli import failures, main
from support.templates import copy_of

MODEL = """
name = "delay"
task = "binary"
owner = "tests"

[data]
source = "../../data/rows.csv"
target = "late"
timestamp = "at"
timezone = "UTC"
features = ["wind", "load"]
holdout = "10d"

[training]
estimator = "sklearn.ensemble.HistGradientBoostingClassifier"
parameters = { max_iter = 8 }

[[targets]]
name = "ewr"
region = "us-east"
"""


@dataclass(frozen=True)
class Answer:
    """What a command left behind."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Pilothouse = Callable[..., Answer]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder with a model and its data, not yet a workspace."""
    copy_of("a model and its data", _write_model, tmp_path / "workspace")
    return tmp_path / "workspace"


def _write_model(folder: Path) -> None:
    (folder / "models" / "delay").mkdir(parents=True)
    (folder / "models" / "delay" / "model.toml").write_text(MODEL)
    (folder / "data").mkdir()
    chance = random.Random(7)
    begin = datetime(2024, 1, 1, tzinfo=UTC)
    with (folder / "data" / "rows.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["at", "wind", "load", "late"])
        for hour in range(2_400):
            wind, load = chance.random() * 20, chance.random()
            late = int(chance.random() < 0.1 + 0.035 * wind)
            writer.writerow([(begin + timedelta(hours=hour)).isoformat(), f"{wind:.2f}", f"{load:.3f}", late])


@pytest.fixture
def pilothouse(root: Path, capsys: pytest.CaptureFixture[str]) -> Pilothouse:
    """Runs a command as the program does, in this process: exit code, stdout, stderr."""

    def run(*arguments: str, as_name: str | None = "olga") -> Answer:
        given = ["--workspace", str(root), *(["--as", as_name] if as_name else []), *arguments]
        capsys.readouterr()
        code = failures.run(lambda: main.run(given))
        captured = capsys.readouterr()
        return Answer(code, captured.out, captured.err)

    return run


@pytest.fixture
def workspace(pilothouse: Pilothouse, root: Path) -> Pilothouse:
    """The same, on a demo workspace with an admin (olga), a scientist (ada) and an approver (petra)."""

    def build(folder: Path) -> None:
        assert pilothouse("init", "--admin", "olga", "--demo", as_name=None).code == 0
        for name, role in (("ada", "data-scientist"), ("petra", "approver"), ("otto", "operator")):
            assert pilothouse("grant", name, role).code == 0
        shutil.copytree(root, folder)

    copy_of("command line", build, root)
    return pilothouse
