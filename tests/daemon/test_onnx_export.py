"""Versions in ONNX: compared with what they answer, and written only where the labels are equal."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from pilothouse.cli.group import cli
from pilothouse.confinement import probe
from pilothouse.daemon import control
from pilothouse.domain.confinement import confines
from pilothouse.domain.errors import ConflictError, InvalidInputError, NotFoundError, UnavailableError
from pilothouse.domain.jobs.jobs import JobStatus
from support.small_workspace import SmallWorkspace, make_small_workspace

INSTALLED = all(importlib.util.find_spec(name) for name in ("skl2onnx", "onnx", "onnxruntime"))
needs_onnx = pytest.mark.skipif(not INSTALLED, reason="the extra onnx is not installed (make test-clients)")
confined = pytest.mark.skipif(not confines(probe.offered()), reason="nothing confines here")
LOGISTIC = 'estimator = "sklearn.linear_model.LogisticRegression"'
FOREST = 'estimator = "sklearn.ensemble.RandomForestClassifier"\nparameters = { n_estimators = 20 }'


def export(root: Path, *arguments: str) -> Any:
    return CliRunner().invoke(cli, ["-w", str(root), "export", "onnx", *arguments], standalone_mode=False)


def trained(root: Path, training: str) -> SmallWorkspace:
    made = make_small_workspace(root)
    made.write_model(training)
    control.start_in_background(made.root, serve_targets=False)
    try:
        job = made.ended(made.train().id)
        assert job.status is JobStatus.SUCCEEDED, job.error
    finally:
        control.stop(made.root)
    return made


@pytest.fixture
def workspace(tmp_path: Path) -> SmallWorkspace:
    return make_small_workspace(tmp_path / "w")


@pytest.mark.skipif(INSTALLED, reason="the extra onnx is installed")
def test_one_line_says_what_to_install(workspace: SmallWorkspace, tmp_path: Path) -> None:
    done = export(workspace.root, "models:/delay/1", "--output", str(tmp_path / "delay.onnx"))
    assert isinstance(done.exception, UnavailableError)
    assert str(done.exception) == (
        "an export to ONNX needs skl2onnx, onnx, onnxruntime, protobuf: pip install 'pilothouse[onnx]'"
    )


@needs_onnx
def test_nothing_is_overwritten_and_a_version_has_to_be_there(
    workspace: SmallWorkspace, tmp_path: Path
) -> None:
    there = tmp_path / "there.onnx"
    there.write_bytes(b"mine")
    assert isinstance(export(workspace.root, "delay/1", "--output", str(there)).exception, ConflictError)
    assert there.read_bytes() == b"mine"
    for inside in ("new.onnx", "registry.db"):
        place = workspace.root / "state" / inside
        assert isinstance(
            export(workspace.root, "delay/1", "--output", str(place)).exception, InvalidInputError
        )
    assert not (workspace.root / "state" / "new.onnx").exists()
    for reference, file in (("delay/1", "delay.onnx"), ("delay/1", "nowhere/delay.onnx")):
        done = export(workspace.root, reference, "--output", str(tmp_path / file))
        assert isinstance(done.exception, NotFoundError)


@needs_onnx
@confined
@pytest.mark.loop
def test_a_file_whose_labels_are_equal_is_written_and_answers_elsewhere(tmp_path: Path) -> None:
    made = trained(tmp_path / "w", LOGISTIC)
    file = tmp_path / "delay.onnx"
    done = export(made.root, "models:/delay/1", "--output", str(file), "--json")
    assert done.exception is None, done.exception
    told = json.loads(done.stdout)
    kinds = {one["kind"]: one for one in told["compared"]}
    assert kinds["hold-out, complete"]["rows"] == 241
    assert kinds["hold-out, complete"]["labels"] == 0
    assert kinds["hold-out, complete"]["largest"] < 1e-6
    assert {"generated, complete", "generated, with missing values"} <= set(kinds)
    assert told["not_generated"] == ""
    # what the file says of itself, and an answer of it, in a process without Pilothouse
    script = (
        "import sys, json, numpy, onnxruntime\n"
        "s = onnxruntime.InferenceSession(sys.argv[1], providers=['CPUExecutionProvider'])\n"
        "kind = {'tensor(float)': 'float32', 'tensor(double)': 'float64'}\n"
        "given = {i.name: numpy.array([[20.0]], kind[i.type]) for i in s.get_inputs()}\n"
        "label, p = s.run(None, given)\n"
        "print(json.dumps([s.get_modelmeta().custom_metadata_map, label.tolist(), p.shape]))\n"
    )
    if told["differing"]:
        assert done.return_value == 1
        assert not file.exists()
        export(made.root, "models:/delay/1", "--output", str(file), "--anyway")
    else:
        assert done.return_value == 0
    answered = subprocess.run(
        [sys.executable, "-I", "-c", script, str(file)],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "TMPDIR": str(tmp_path)},
    )
    assert json.loads(answered.stdout) == [{"pilothouse.version": "models:/delay/1"}, [1], [1, 2]]


@needs_onnx
@confined
@pytest.mark.loop
def test_a_forest_that_answers_otherwise_on_missing_values_is_written_only_anyway(tmp_path: Path) -> None:
    made = trained(tmp_path / "w", FOREST)
    file = tmp_path / "delay.onnx"
    refused = export(made.root, "delay/1", "--output", str(file), "--json")
    assert refused.exception is None, refused.exception
    told = json.loads(refused.stdout)
    kinds = {one["kind"]: one for one in told["compared"]}
    assert (refused.return_value, file.exists(), told["file"]) == (1, False, None)
    counted = [
        one["labels"] + one["unanswered"] + (one["moved"] if 100 * one["moved"] > one["rows"] else 0)
        for one in told["compared"]
    ]
    assert told["differing"] == sum(counted) > 0
    assert kinds["generated, with missing values"]["largest"] > 0.1
    forced = export(made.root, "delay/1", "--output", str(file), "--anyway")
    assert (forced.return_value, file.exists()) == (1, True)
    assert forced.stdout.splitlines()[0].split() == [
        "ROWS", "COUNT", "OTHER", "LABEL", "NO", "ANSWER", "MOVED", "LARGEST", "DIFFERENCE"
    ]  # fmt: skip
    assert "numbers as float32" in forced.stderr


@needs_onnx
@confined
@pytest.mark.loop
def test_labels_that_agree_hide_no_probabilities_of_others(tmp_path: Path) -> None:
    """skl2onnx writes other probabilities of a discriminant analysis of two classes, and every label right."""
    made = trained(tmp_path / "w", 'estimator = "sklearn.discriminant_analysis.LinearDiscriminantAnalysis"')
    refused = export(made.root, "delay/1", "--output", str(tmp_path / "delay.onnx"), "--json")
    assert refused.exception is None, refused.exception
    told = json.loads(refused.stdout)
    (holdout,) = [one for one in told["compared"] if one["kind"] == "hold-out, complete"]
    assert (refused.return_value, told["file"]) == (1, None)
    assert (holdout["labels"], holdout["moved"] > holdout["rows"] / 100) == (0, True)
