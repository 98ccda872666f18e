"""The real MLflow: its server and its store are imported alike, what we export it loads, what it logs in a training is kept."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from ecosystem.mlflow.server import tracking_server
from pilothouse.cli.group import cli
from pilothouse.cli.session import os_user
from pilothouse.daemon import control
from pilothouse.domain.identity.roles import Role
from pilothouse.inference.predictor import Predictor
from pilothouse.inference.schema import InputSchema
from pilothouse.operations.catalogue import require_version
from pilothouse.operations.workspace import workspaces
from pilothouse.store.work import runs
from support.small_workspace import make_small_workspace

HERE = Path(__file__).parent
ENDS_LATE_S = 600
ESTIMATORS = (
    'estimator = "sklearn.linear_model.LogisticRegression"',
    'estimator = "sklearn.ensemble.RandomForestClassifier"\nparameters = { n_estimators = 20 }',
    'estimator = "sklearn.ensemble.HistGradientBoostingClassifier"\nparameters = { max_iter = 8 }',
)


def ran(*command: object, folder: Path | None = None) -> str:
    """What a command printed."""
    done = subprocess.run(
        [str(one) for one in command],
        capture_output=True,
        text=True,
        cwd=folder,
        timeout=ENDS_LATE_S,
        env={
            **os.environ,
            **({} if folder is None else {"TMPDIR": str(folder)}),
        },  # MLflow leaves locks there
    )
    assert done.returncode == 0, done.stdout[-2_000:] + done.stderr[-4_000:]
    return done.stdout


def pilothouse(root: Path, *arguments: str) -> Any:
    done = CliRunner().invoke(cli, ["-w", str(root), "--json", *arguments], standalone_mode=False)
    assert done.exception is None, done.exception
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def store(python: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("store")
    ran(python, HERE / "write_small.py", folder, folder=folder)
    return folder


def test_server_and_file_give_the_same_records_and_every_skops_file_answers(
    python: Path, store: Path, tmp_path: Path
) -> None:
    made = make_small_workspace(tmp_path / "w")
    workspaces.grant_role(made.services, made.admin, os_user(), Role.DATA_SCIENTIST)
    counts = pilothouse(
        made.root, "import", "mlflow", str(store / "mlflow.db"), "--files", "all", "--origin", "prod"
    )
    assert (counts["models"], counts["versions"], counts["runs"], counts["without_files"]) == (3, 6, 5, 0)
    with tracking_server(python, store) as address:
        dry = pilothouse(made.root, "import", "mlflow", f"http://{address}", "--dry-run")
        again = pilothouse(
            made.root, "import", "mlflow", f"http://{address}", "--files", "all", "--origin", "prod"
        )
        other = pilothouse(made.root, "import", "mlflow", f"http://{address}", "--files", "all")
        every = pilothouse(made.root, "import", "mlflow", f"http://{address}", "--runs", "all")
    assert (dry["versions"], again["runs_changed"], again["aliases_changed"], again["files"]) == (6, 0, 0, 0)
    assert (other["versions"], other["files"]) == (6, counts["files"])
    assert (every["runs"], every["runs_changed"]) == (6, 1)
    listed = pilothouse(made.root, "import", "runs")
    assert [(one["facts"]["name"], one["facts"]["params"]) for one in listed["runs"]] == [
        ("alone", {"depth": "3"})
    ]
    # beside MLflow there is the library that reads its descriptions
    beside = (python, "-m", "pilothouse.cli.main", "-w", made.root, "--json")
    scored = json.loads(ran(*beside, "import", "rescore", "credit-risk"))
    assert [(one["version"], one["answers"]) for one in scored] == [(3, True), (2, True), (1, True)]


def test_what_is_exported_loads_without_a_flag_and_answers_the_same(python: Path, tmp_path: Path) -> None:
    made = make_small_workspace(tmp_path / "w")
    control.start_in_background(made.root, serve_targets=False)
    try:
        for estimator in ESTIMATORS:
            made.write_model(estimator)
            job = made.ended(made.train().id, ENDS_LATE_S)
            assert not job.error
    finally:
        control.stop(made.root)
    folders = [tmp_path / f"export-{number}" for number in range(1, 4)]
    for number, folder in enumerate(folders, 1):
        facts = pilothouse(made.root, "export", "mlflow", f"delay/{number}", "--to", str(folder))
        assert facts["differing"] == 0
    with made.services.registry.read() as connection:
        versions = [require_version(connection, f"models:/delay/{number}") for number in range(1, 4)]
        holdout = runs.files_of(connection, versions[0].run_id)["holdout"]
    table = pq.read_table(made.services.artifacts.path(holdout.digest))
    columns = {name: table.column(name).to_pylist() for name in ("wind", "load")}
    columns["wind"][0] = None
    rows = tmp_path / "rows.json"
    data = [list(row) for row in zip(*columns.values(), strict=True)]
    rows.write_text(json.dumps({"columns": list(columns), "data": data, "index": list(range(len(data)))}))
    answers = [json.loads(line) for line in ran(python, HERE / "load_export.py", rows, *folders).splitlines()]
    assert len(answers) == len(versions)
    for version, answer in zip(versions, answers, strict=True):
        artifacts = made.services.artifacts
        schema = InputSchema.from_bytes(artifacts.read(version.schema_digest))
        ours = Predictor(artifacts.read(version.model_digest), schema).predict(columns, len(data))
        assert ours.probabilities is not None
        assert answer["probabilities"] == ours.probabilities.tolist()
        assert answer["labels"] == answer["generic"] == ours.labels
        assert answer["requirements"] == "requirements.txt"


def test_what_training_code_logs_is_in_its_run(python: Path, tmp_path: Path) -> None:
    told = json.loads(ran(python, HERE / "track_training.py", tmp_path / "w").splitlines()[-1])
    assert told["error"] == ""
    run, second = told["record"]["runs"]
    assert (run["name"], run["status"], run["params"]["depth"]) == ("mine", "FINISHED", "3")
    assert (run["tags"]["team"], second["tags"]["team"]) == ("night", "day")
    (rows,) = [one for one in run["data_sets"] if one["name"] == "rows"]
    assert rows["tags"] == {"mlflow.data.context": "training", "kind": "small"}
    assert [value for _, _, value in run["metrics"]["loss"]] == [1.0, 0.5, 1 / 3, 0.25, 0.2]
    assert [value for _, _, value in run["metrics"]["undefined"]] == ["NaN"]
    assert "C" in run["params"]  # autologged
    ends = {name.rpartition("/")[2] for name in told["digests"]}
    assert {"remark.txt", "more.txt", "model.skops", "MLmodel"} <= ends
