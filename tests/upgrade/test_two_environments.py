"""A workspace made under scikit-learn 1.8 and opened under today's: versions answer over HTTP what they answered before, to the
bit, and what would not is said before anything is swapped."""

import csv
import json
import os
import random
import sqlite3
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from support import wait_until

CACHE = Path(__file__).parents[2] / ".upgrade"
HERE = Path(sys.executable)
BEFORE = CACHE / "scikit-learn-1.8" / "bin" / "python"
"""This Pilothouse under scikit-learn 1.8."""
BEFORE_PORTABLE = CACHE / "before-portable" / "bin" / "python"
"""The last Pilothouse without portable forms, under scikit-learn 1.8."""

MODEL = """
name = "{name}"
task = "binary"
owner = "tests"

[data]
source = "../../data/rows.csv"
target = "late"
timestamp = "at"
timezone = "UTC"
features = ["wind", "load", "port"]
categoricals = ["port"]
holdout = "14d"

[training]
{training}
threads = 1
timeout = "120s"

[[targets]]
name = "ewr"
"""
KINDS = {
    "boosted": 'estimator = "sklearn.ensemble.HistGradientBoostingClassifier"\nparameters = { max_iter = 30 }',
    "forest": 'estimator = "sklearn.ensemble.RandomForestClassifier"\nparameters = { n_estimators = 20 }',
    "logistic": 'function = "train.py:fit"',
}
TRAIN = """
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler


def fit(X, y, parameters, seed):
    numbers = make_pipeline(SimpleImputer(add_indicator=True), StandardScaler())
    parts = [("n", numbers, ["wind", "load"]), ("c", OneHotEncoder(handle_unknown="ignore"), ["port"])]
    return make_pipeline(ColumnTransformer(parts), LogisticRegression()).fit(X, y)
"""


class Program:
    """``pilothouse`` of one environment on one workspace."""

    def __init__(self, python: Path, root: Path) -> None:
        self._python, self._root = python, root

    def call(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [str(self._python), "-P", "-m", "pilothouse.cli.main", "-w", str(self._root), *arguments]
        kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        return subprocess.run(command, capture_output=True, text=True, check=False, env=kept, cwd="/")

    def run(self, *arguments: str) -> str:
        done = self.call(*arguments)
        assert done.returncode == 0, f"{arguments}: {done.stdout}{done.stderr}"
        return done.stdout

    def json(self, *arguments: str) -> Any:
        return json.loads(self.run(*arguments, "--json"))

    def stop(self) -> None:
        self.call("daemon", "stop", "--serving")


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    root = tmp_path / "w"
    yield root
    Program(HERE, root).stop()


def make(program: Program, root: Path, kinds: tuple[str, ...]) -> None:
    """Workspace with a live version of each of these models on the target ``ewr``."""
    program.run("init", "--demo", "--admin", "ada")
    for name, role in (("sam", "data-scientist"), ("pat", "approver")):
        program.run("--as", "ada", "grant", name, role)
    write_rows(root / "data" / "rows.csv")
    for kind in kinds:
        folder = root / "models" / kind
        folder.mkdir(parents=True)
        (folder / "model.toml").write_text(MODEL.format(name=kind, training=KINDS[kind]))
        (folder / "train.py").write_text(TRAIN)
    program.run("--as", "ada", "apply")
    program.run("daemon", "start")
    for kind in kinds:
        program.run("--as", "sam", "train", kind, "--wait")
        request = program.json("--as", "sam", "request", f"{kind}/1")
        program.run("--as", "pat", "approve", str(request["id"]), "--evidence", request["evidence_digest"])


def write_rows(path: Path) -> None:
    chance = random.Random(11)
    path.parent.mkdir()
    with path.open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["at", "wind", "load", "port", "late"])
        for hour in range(24 * 75):
            wind, load = chance.gauss(10, 3), chance.random()
            writer.writerow(
                [
                    (datetime(2025, 1, 1, tzinfo=UTC) + timedelta(hours=hour)).isoformat(),
                    "" if chance.random() < 0.05 else round(wind, 3),
                    round(load, 4),
                    chance.choice(["EWR", "JFK", "LGA"]),
                    int(3 * wind + 10 * load + chance.gauss(0, 2) > 36),
                ]
            )


def answers(root: Path, model: str) -> Any:
    """What the serving process says to 300 rows, with missing values and an unseen port, in one request and in single ones."""
    chance = random.Random(3)
    rows = [
        (
            None if chance.random() < 0.1 else chance.gauss(10, 4),
            None if chance.random() < 0.1 else chance.random(),
            chance.choice(["EWR", "JFK", "LGA", "SFO", None]),
        )
        for _ in range(300)
    ]
    wait_until(lambda: asked(root, model, rows[:1]) is not None, timeout=90)
    return [asked(root, model, rows), [asked(root, model, [row]) for row in rows[:20]]]


def asked(root: Path, model: str, rows: list[tuple[Any, ...]]) -> Any:
    """Outputs for rows; None while nobody answers."""
    try:
        port = json.loads((root / "state/serving/ewr/process.json").read_text())["port"]
    except (OSError, ValueError):
        return None
    columns = {"wind": "FP64", "load": "FP64", "port": "BYTES"}
    tensors = [
        {"name": name, "shape": [len(rows)], "datatype": kind, "data": [row[i] for row in rows]}
        for i, (name, kind) in enumerate(columns.items())
    ]
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/v2/models/{model}/infer",
        json.dumps({"inputs": tensors}).encode(),
        {"Content-Type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            outputs = json.load(answer)["outputs"]
    except (urllib.error.URLError, OSError):
        return None
    return {output["name"]: output["data"] for output in outputs if output["name"] != "prediction_id"}


def findings(program: Program) -> tuple[int, dict[str, dict[str, Any]]]:
    """Exit code of the check, and its line on each model."""
    done = program.call("upgrade", "--check", "--json")
    print(program.call("upgrade", "--check").stdout)
    return done.returncode, {line["model"]: line for line in json.loads(done.stdout)}


def schema_of(root: Path) -> int:
    with sqlite3.connect(f"file:{root}/state/registry.db?mode=ro", uri=True) as connection:
        return int(connection.execute("PRAGMA user_version").fetchone()[0])


def test_a_workspace_of_before_answers_the_same_to_the_bit(root: Path) -> None:
    before, after = Program(BEFORE, root), Program(HERE, root)
    make(before, root, tuple(KINDS))
    answered = {kind: answers(root, kind) for kind in KINDS}

    code, lines = findings(after)
    assert code == 0
    assert all(line["finding"].startswith("portable: answers bit for bit") for line in lines.values()), lines

    before.stop()
    after.run("daemon", "start")
    assert {kind: answers(root, kind) for kind in KINDS} == answered
    assert "no live version is tied to a release" in after.run("doctor")
    log = root / "state/daemon.log"
    wait_until(lambda: "now 1.9" in log.read_text(), timeout=60)
    assert "scikit-learn was 1.8" in log.read_text()
    assert "3 of 3 live versions answer as they did" in log.read_text()


def test_what_would_not_load_is_said_before_the_swap_and_converted(root: Path) -> None:
    older, before, after = (Program(python, root) for python in (BEFORE_PORTABLE, BEFORE, HERE))
    make(older, root, ("boosted", "forest"))
    answered = {kind: answers(root, kind) for kind in ("boosted", "forest")}
    schema = schema_of(root)

    code, lines = findings(after)
    assert code == 1
    boosted = lines["boosted"]
    assert (boosted["outcome"], boosted["live"], boosted["place"]) == ("fails", True, "live on ewr")
    assert boosted["finding"].startswith("tied to scikit-learn 1.8.0: does not answer under 1.9"), boosted
    assert lines["forest"]["outcome"] == "stays"
    # nothing was swapped: the older release goes on, on its own schema
    assert schema_of(root) == schema
    assert answers(root, "boosted") == answered["boosted"]
    older.run("models")

    older.stop()
    refused = after.call("--as", "ada", "upgrade", "--convert")
    assert refused.returncode == 1
    assert "boosted/1 (live on ewr): tied to scikit-learn 1.8.0: not converted" in refused.stdout
    print(before.run("--as", "ada", "upgrade", "--convert"))
    assert findings(after)[0] == 0
    after.run("daemon", "start")
    assert {kind: answers(root, kind) for kind in ("boosted", "forest")} == answered
    assert "version.converted" in after.run("audit", "show")


def test_a_version_that_does_not_load_is_down_with_the_reason_and_the_command(root: Path) -> None:
    older, after = Program(BEFORE_PORTABLE, root), Program(HERE, root)
    make(older, root, ("boosted", "forest"))
    answered = answers(root, "forest")
    older.stop()
    after.run("daemon", "start")
    assert answers(root, "forest") == answered

    def reason() -> str:
        return str(next(d for d in after.json("targets") if d["model"] == "boosted"))

    wait_until(lambda: "pilothouse upgrade --convert" in reason(), timeout=60)
    assert "written with scikit-learn 1.8.0, read with 1.9" in reason()
    status = after.call("status", "--json")
    assert status.returncode == 21
    (down,) = [model for model in json.loads(status.stdout)["models"] if model["health"] == "down"]
    assert down["model"] == "boosted"
    assert "v1 cannot be loaded: " in down["why"]
    log = root / "state/daemon.log"
    wait_until(lambda: "boosted/1" in log.read_text(), timeout=60)
