"""Models to and from MLflow in confined steps: exported ones answer alike, imported ones are loaded by our list alone."""

import importlib.util
import io
import json
import sqlite3
import zipfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from pilothouse.cli.group import cli
from pilothouse.cli.session import os_user
from pilothouse.confinement import probe
from pilothouse.daemon import control
from pilothouse.domain.confinement import confines
from pilothouse.domain.errors import ConflictError, InvalidInputError, PilothouseError, UnavailableError
from pilothouse.domain.identity.roles import Role
from pilothouse.operations.catalogue import require_run, require_version
from pilothouse.operations.exchange import logged
from pilothouse.operations.jobs import trainings
from pilothouse.operations.promotion import promotions
from pilothouse.operations.workspace import workspaces
from support.mlflow_store import unpacked
from support.small_workspace import SmallWorkspace, make_small_workspace

confined = pytest.mark.skipif(not confines(probe.offered()), reason="nothing confines here")
HAS_YAML = importlib.util.find_spec("yaml") is not None
needs_yaml = pytest.mark.skipif(
    not HAS_YAML, reason="the extra mlflow is not installed (make test-ecosystem)"
)


def run(root: Path, *arguments: str) -> Any:
    return CliRunner().invoke(cli, ["-w", str(root), *arguments], standalone_mode=False)


@pytest.fixture
def workspace(tmp_path: Path) -> SmallWorkspace:
    return make_small_workspace(tmp_path / "w")


@confined
def test_a_version_is_written_as_a_folder_of_mlflow(workspace: SmallWorkspace, tmp_path: Path) -> None:
    workspace.write_model(
        'estimator = "sklearn.ensemble.RandomForestClassifier"\nparameters = { n_estimators = 5 }'
    )
    control.start_in_background(workspace.root, serve_targets=False)
    try:
        job = workspace.ended(workspace.train().id)
        assert not job.error
    finally:
        control.stop(workspace.root)
    folder = tmp_path / "out"
    done = run(workspace.root, "--json", "export", "mlflow", "delay/1", "--to", str(folder))
    assert done.exception is None
    assert json.loads(done.stdout)["differing"] == 0
    assert sorted(path.name for path in folder.iterdir()) == [
        "MLmodel", "conda.yaml", "model.skops", "python_env.yaml", "requirements.txt",
    ]  # fmt: skip
    text = (folder / "MLmodel").read_text()
    assert 'skops_trusted_types:\n    - "sklearn.tree._tree.Tree"' in text
    assert "scikit-learn==" in (folder / "requirements.txt").read_text()
    again = run(workspace.root, "export", "mlflow", "delay/1", "--to", str(folder))
    assert isinstance(again.exception, ConflictError)


@confined
def test_what_training_code_leaves_where_mlflow_would_write_is_in_its_run(workspace: SmallWorkspace) -> None:
    """MLflow itself is not needed for it: the store has the tables that it writes (the real one: ``make test-ecosystem``)."""
    workspace.write_model('function = "train.py:fit"', code=_LOGGING)
    control.start_in_background(workspace.root, serve_targets=False)
    try:
        job = workspace.ended(workspace.train().id)
        assert not job.error
    finally:
        control.stop(workspace.root)
    plain = logged.logged(workspace.services, workspace.admin, "delay/1")
    assert plain is not None
    assert plain["runs"][0]["params"] == {"depth": "3"}
    assert plain["runs"][0]["metrics"] == {"loss": [[0, 5, 0.5], [1, 6, "NaN"]]}
    assert [(one["path"], bool(one["left_out"])) for one in plain["files"]] == [
        ("0/a.txt", False),
        ("0/b.pkl", True),
    ]
    shown = run(workspace.root, "show", "delay/1")
    assert "with MLflow: 1 parameters, 1 metrics, 2 files" in shown.stdout


_LOGGING = """
import pathlib, sqlite3
from sklearn.linear_model import LogisticRegression

def fit(X, y, parameters, seed):
    store = sqlite3.connect("mlflow.db")
    store.executescript('''
      CREATE TABLE runs (run_uuid TEXT, name TEXT, status TEXT, start_time INT, end_time INT);
      CREATE TABLE params (key TEXT, value TEXT, run_uuid TEXT); CREATE TABLE tags (key TEXT, value TEXT, run_uuid TEXT);
      CREATE TABLE metrics (key TEXT, value REAL, timestamp INT, run_uuid TEXT, step INT, is_nan INT);
      INSERT INTO runs VALUES ('r', 'mine', 'FINISHED', 1, 2); INSERT INTO params VALUES ('depth', '3', 'r');
      INSERT INTO metrics VALUES ('loss', 0.5, 5, 'r', 0, 0); INSERT INTO metrics VALUES ('loss', 0, 6, 'r', 1, 1);
    ''')
    store.close()
    folder = pathlib.Path("mlruns/0")
    folder.mkdir(parents=True)
    (folder / "a.txt").write_text("seen")
    (folder / "b.pkl").write_bytes(b"no")
    return LogisticRegression().fit(X.fillna(0), y)
"""


@pytest.mark.skipif(HAS_YAML, reason="the extra mlflow is installed")
def test_one_line_says_what_to_install(workspace: SmallWorkspace) -> None:
    done = run(workspace.root, "import", "rescore", "credit-risk/1")
    assert isinstance(done.exception, UnavailableError)
    assert str(done.exception) == "a re-scoring needs pyyaml: pip install 'pilothouse[mlflow]'"


def _with(store: Path, version: int, name: str, change: Any) -> None:
    """Change a file of a version of the store."""
    with sqlite3.connect(store) as there:
        (place,) = there.execute(
            "SELECT storage_location FROM model_versions WHERE name = 'Credit Risk' AND version = ?",
            (version,),
        ).fetchone()
    folder = store.parent / "mlruns" / place.partition("/mlruns/")[2]
    (folder / name).write_bytes(change((folder / name).read_bytes()))


def _foreign_type(data: bytes) -> bytes:
    """A skops file that asks for a type that is on nobody's list."""
    source, made = zipfile.ZipFile(io.BytesIO(data)), io.BytesIO()
    with zipfile.ZipFile(made, "w") as target:
        for name in source.namelist():
            target.writestr(
                name,
                source.read(name)
                .replace(b'"StandardScaler"', b'"Evil"')
                .replace(b"sklearn.preprocessing._data", b"os"),
            )
    return made.getvalue()


@confined
@needs_yaml
def test_imported_models_are_loaded_by_our_list_and_answer_or_are_said_not_to(
    workspace: SmallWorkspace, tmp_path: Path
) -> None:
    store = unpacked(tmp_path / "store")
    _with(store, 1, "model.skops", _foreign_type)
    _with(
        store,
        1,
        "MLmodel",
        lambda data: data.replace(b"skops_trusted_types: null", b"skops_trusted_types: [os.Evil]"),
    )
    _with(store, 3, "MLmodel", lambda data: data + b"a: &x [1]\nb: *x\n")
    workspaces.grant_role(workspace.services, workspace.admin, os_user(), Role.DATA_SCIENTIST)
    assert run(workspace.root, "import", "mlflow", str(store)).exception is None
    done = run(workspace.root, "--json", "import", "rescore", "credit-risk")
    found = {one["version"]: one for one in json.loads(done.stdout)}
    assert {number: one["answers"] for number, one in found.items()} == {1: False, 2: True, 3: False}
    assert "os.Evil" in found[1]["finding"]
    assert "not loaded" in found[1]["finding"]
    assert "references" in found[3]["finding"]
    assert found[2]["record"]["estimator"] == "RandomForestClassifier"
    pickled = run(workspace.root, "import", "rescore", "credit-risk/4")
    assert isinstance(pickled.exception, InvalidInputError)
    assert "never loaded" in str(pickled.exception)


@confined
@needs_yaml
def test_an_imported_model_is_adopted_judged_and_requested(workspace: SmallWorkspace, tmp_path: Path) -> None:
    workspaces.grant_role(workspace.services, workspace.admin, os_user(), Role.DATA_SCIENTIST)
    workspace.write_model('estimator = "sklearn.linear_model.LogisticRegression"')
    control.start_in_background(workspace.root, serve_targets=False)
    try:
        assert not workspace.ended(workspace.train().id).error
        out = tmp_path / "mlruns" / "1" / "model"
        out.parent.mkdir(parents=True)
        assert run(workspace.root, "export", "mlflow", "delay/1", "--to", str(out)).exception is None
        (file,) = out.glob("*.skops")
        with zipfile.ZipFile(
            file, "a"
        ) as archive:  # another file than ours, of which an import knows that it is
            archive.comment = b"theirs"
        store = _store_of_one(tmp_path, out, made=datetime(2024, 1, 1, tzinfo=UTC))
        assert run(workspace.root, "import", "mlflow", str(store)).exception is None
        early = run(workspace.root, "import", "adopt", "theirs/1", "--model", "delay")
        assert isinstance(early.exception, ConflictError)
        assert "not re-scored" in str(early.exception)
        assert run(workspace.root, "--json", "import", "rescore", "theirs").exception is None
        for number in (1, 2):
            done = run(workspace.root, "--json", "import", "adopt", f"theirs/{number}", "--model", "delay")
            assert done.exception is None, done.exception
            ended = workspace.ended(json.loads(done.stdout)["id"])
            assert not ended.error, ended.error
    finally:
        control.stop(workspace.root)
    with workspace.services.registry.read() as connection:
        ours, old, new = (require_version(connection, f"models:/delay/{number}") for number in (1, 2, 3))
        made_by = require_run(connection, old).parameters
    assert made_by["adopted_name"] == "Theirs"
    assert old.model_digest == new.model_digest != ours.model_digest
    gates = [next(gate for gate in version.gates if gate.gate == "adopted") for version in (old, new)]
    assert [str(gate.outcome) for gate in gates] == ["passed", "failed"]
    assert "may know them" in gates[1].reason
    assert (
        promotions.request_promotion(
            workspace.services, workspace.scientist, "delay/2", reason="as good"
        ).version
        == 2
    )
    with pytest.raises(PilothouseError):
        promotions.request_promotion(workspace.services, workspace.scientist, "delay/3", reason="as good")
    with pytest.raises(InvalidInputError, match="adopted"):
        trainings.start_reproduction(workspace.services, workspace.scientist, "delay/2")


def _store_of_one(folder: Path, model: Path, made: datetime) -> Path:
    """A store with two versions of one model: one made at a time, one made today."""
    path = folder / "mlflow.db"
    at = int(made.timestamp() * 1_000)
    with sqlite3.connect(path) as there:
        there.executescript(
            "CREATE TABLE registered_models (name TEXT, creation_time INT); INSERT INTO registered_models VALUES ('Theirs', 1);"
            "CREATE TABLE model_versions (name TEXT, version INT, creation_time INT, source TEXT, run_id TEXT);"
            "CREATE TABLE runs (run_uuid TEXT, user_id TEXT, status TEXT, start_time INT, end_time INT, lifecycle_stage TEXT,"
            " artifact_uri TEXT, experiment_id INT); CREATE TABLE experiments (experiment_id INT, name TEXT);"
            "CREATE TABLE params (key TEXT, value TEXT, run_uuid TEXT);"
            "CREATE TABLE tags (key TEXT, value TEXT, run_uuid TEXT);"
            "CREATE TABLE latest_metrics (key TEXT, value REAL, timestamp INT, run_uuid TEXT, step INT, is_nan INT);"
            "CREATE TABLE metrics (key TEXT, value REAL, timestamp INT, run_uuid TEXT, step INT, is_nan INT);"
        )
        for number, time in ((1, at), (2, 1_900_000_000_000)):
            there.execute(
                "INSERT INTO model_versions VALUES ('Theirs', ?, ?, ?, '')", (number, time, str(model))
            )
    return path
