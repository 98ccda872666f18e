"""A workspace for the command line: people, a small data file, one model."""

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from pilothouse.cli import failures, main
from support.small_workspace import ESTIMATOR, MODEL, write_rows
from support.templates import copy_of


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
    model = MODEL.format(training=ESTIMATOR, more="")
    (folder / "models" / "delay" / "model.toml").write_text(model)
    (folder / "data").mkdir()
    write_rows(folder / "data" / "rows.csv", 2_400)


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
