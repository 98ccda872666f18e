"""A version goes to the real MLflow server and comes back: all of it once, whatever is killed on the way."""

import hashlib
import io
import json
import os
import signal
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from ecosystem.mlflow.server import tracking_server
from pilothouse.cli.group import cli
from pilothouse.cli.session import os_user
from pilothouse.domain.identity.roles import Role
from pilothouse.domain.records import Version
from pilothouse.operations.catalogue import require_version
from pilothouse.operations.promotion import promotions
from pilothouse.operations.workspace import workspaces
from pilothouse.store.work import runs
from support.recorded_http import served
from support.small_workspace import SmallWorkspace, open_small_workspace

HERE = Path(__file__).parent
ENDS_LATE_S = 600
SENDING = (
    "experiments/create", "runs/create", '"params"', '"metrics"', '"team"', "runs/log-inputs", "model/MLmodel",
    "model/model.skops", "logged/model/theirs.txt", "remark.txt", "runs/update", "registered-models/create",
    "model-versions/create",
)  # fmt: skip
"""What the server has just done when the sender is killed, one after the other."""
TAKING = (
    "registered-models/search",
    "model-versions/search",
    "runs/search",
    "get-history-bulk",
    "get-artifact",
)
"""The same for the import."""


def ran(python: Path, *command: object, folder: Path) -> Any:
    """What a script under MLflow's environment printed last."""
    done = subprocess.run(
        [str(one) for one in (python, *command)],
        capture_output=True,
        text=True,
        cwd=folder,
        timeout=ENDS_LATE_S,
        env={**os.environ, "TMPDIR": str(folder)},  # MLflow leaves locks there
    )
    assert done.returncode == 0, done.stdout[-2_000:] + done.stderr[-4_000:]
    return json.loads(done.stdout.splitlines()[-1])


def pilothouse(root: Path, *arguments: str) -> Any:
    done = CliRunner().invoke(cli, ["-w", str(root), "--json", *arguments], standalone_mode=False)
    assert done.exception is None, done.exception
    return json.loads(done.stdout)


class Killer:
    """Kills a command as soon as the server has done a certain thing for it, before it hears of it."""

    def __init__(self) -> None:
        self.after = ""
        self.process: subprocess.Popen[bytes] | None = None

    def seen(self, asked: str) -> None:
        if self.after and self.after in asked and self.process is not None:
            self.after = ""
            os.kill(self.process.pid, signal.SIGKILL)
            self.process.wait(ENDS_LATE_S)

    def kill(self, root: Path, arguments: tuple[str, ...], after: str) -> None:
        """Run a command of ours and see it killed."""
        command = [sys.executable, "-m", "pilothouse.cli.main", "-w", str(root), *arguments]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        self.after = after
        _, said = self.process.communicate(timeout=ENDS_LATE_S)
        assert self.process.returncode == -signal.SIGKILL, (after, said.decode()[-2_000:])


@contextmanager
def watched(upstream: str) -> Iterator[tuple[str, Killer]]:
    """Address by which the server is reached, and what kills who reaches it."""
    killer = Killer()
    with served({}, upstream, in_turn=True, seen=killer.seen) as (address, _):
        yield address, killer


@pytest.fixture
def made(python: Path, tmp_path: Path) -> SmallWorkspace:
    """A workspace with a version whose training has logged with MLflow."""
    told = ran(python, HERE / "track_training.py", tmp_path / "w", folder=tmp_path)
    assert told["error"] == ""
    workspace = open_small_workspace(tmp_path / "w")
    workspaces.grant_role(workspace.services, workspace.admin, os_user(), Role.DATA_SCIENTIST)
    return workspace


def facts(made: SmallWorkspace) -> tuple[Version, dict[str, Any], dict[str, Any], dict[str, str]]:
    """The version, what its code has logged in its first run, its parameters, and the digests of the logged files by name."""
    with made.services.registry.read() as connection:
        version = require_version(connection, "models:/delay/1")
        files = runs.files_of(connection, version.run_id)
        run = runs.find(connection, version.run_id)
    assert run is not None
    logged, second = json.loads(made.services.artifacts.read(files["mlflow"].digest))["runs"]
    assert second["name"] == "second/try"
    archive = zipfile.ZipFile(io.BytesIO(made.services.artifacts.read(files["mlflow_files"].digest)))
    names = {one: one.partition("/artifacts/")[2] for one in archive.namelist()}
    digests = {names[one]: hashlib.sha256(archive.read(one)).hexdigest() for one in archive.namelist()}
    return version, logged, dict(run.parameters), digests


def points_of(curve: list[list[Any]]) -> list[tuple[int, int, float | str]]:
    """Points of a curve, NaN as the word, in one order."""
    plain = [(step, at, "NaN" if value != value else value) for step, at, value in curve]
    return sorted(plain, key=repr)


def test_a_version_goes_to_a_server_once_and_comes_back_as_our_own(
    python: Path, made: SmallWorkspace, tmp_path: Path
) -> None:
    store = tmp_path / "store"
    store.mkdir()
    version, logged, parameters, digests = facts(made)
    with tracking_server(python, store) as upstream, watched(upstream) as (uri, killer):
        sending = ("export", "mlflow", "delay/1", "--to", uri)
        for after in SENDING:
            killer.kill(made.root, sending, after)
        first = pilothouse(made.root, *sending)["sent"]
        assert (first["name"], first["number"]) == ("delay", "1")
        request = promotions.request_promotion(made.services, made.scientist, "delay/1", reason="better")
        promotions.approve(made.services, made.approver, request.id, request.evidence_digest)
        again = pilothouse(made.root, *sending)["sent"]
        assert (again["number"], again["run"], again["is_new"]) == ("1", first["run"], False)
        assert again["aliases"] == ["champion"]
        told = ran(python, HERE / "read_server.py", f"http://{upstream}", "delay", folder=store)
        taking = ("import", "mlflow", uri, "--runs", "all", "--files", "all", "--origin", "theirs")
        for after in TAKING:
            killer.kill(made.root, taking, after)
        counts = pilothouse(made.root, *taking)
        more = pilothouse(made.root, *taking)
    check_there(told, version, logged, parameters)
    check_logged(told, logged, digests)
    assert (counts["versions"], counts["runs"], counts["ours"], counts["without_files"]) == (1, 1, 1, 0)
    assert (more["versions"], more["files"], more["runs_changed"], more["aliases_changed"]) == (1, 0, 0, 0)
    with made.services.registry.read() as connection:
        for table in ("imported_models", "imported_versions", "imported_runs", "imported_aliases"):
            (rows,) = connection.execute(f"SELECT count(*) FROM {table}").fetchone()
            assert rows == 1, table
    check_here(pilothouse(made.root, "import", "show", "delay-2/1"), told, version)


def check_there(
    told: dict[str, Any], version: Version, logged: dict[str, Any], parameters: dict[str, Any]
) -> None:
    """What MLflow's client reads is what is on record here, each thing once."""
    assert (len(told["versions"]), told["runs"], told["aliases"]) == (1, 1, {"champion": "1"})
    tags = told["versions"][0]["tags"]
    assert tags["pilothouse.version"] == told["tags"]["pilothouse.version"] == "models:/delay/1"
    assert tags["pilothouse.approved_by"] == "pat"
    (ours,) = [one for one in told["datasets"] if one["name"] == "delay"]
    assert tags["pilothouse.rows_sha256"].startswith(ours["digest"])
    assert ours["tags"] == {"mlflow.data.context": "training"}
    assert told["status"] == "FINISHED"
    for one in version.metrics:
        if not one.slice:
            assert told["metrics"][f"holdout.{one.metric}"] == one.value
    for name, curve in logged["metrics"].items():
        sent = [[step, at, float(value)] for step, at, value in curve]
        assert points_of(told["curves"][name]) == points_of(sent), name
    assert len({at for _, at, _ in told["curves"]["loss"]} - {0}) > 0
    assert [step for step, _, _ in told["curves"]["loss"]] == [0, 1, 2, 3, 4]
    held_out = {name for name in told["curves"] if name.startswith("holdout.")}
    assert set(told["curves"]) == held_out | set(logged["metrics"])
    assert all(len(told["curves"][name]) == 1 for name in held_out)
    assert told["parameters"].items() >= {"depth": "3"}.items()
    assert set(told["parameters"]) == set(parameters) | set(logged["params"])
    assert told["files"]["model.skops"] == version.model_digest
    assert told["predicted"] == 2


def check_logged(told: dict[str, Any], logged: dict[str, Any], digests: dict[str, str]) -> None:
    """Tags, data sets and files of the training code are there, each once."""
    assert (told["tags"]["team"], told["tags"]["second/try/team"]) == ("night", "day")
    assert told["tags"]["mlflow.note.content"] == "a first try"
    named = sorted((one["name"], one["digest"]) for one in told["datasets"] if one["name"] != "delay")
    assert named == sorted((one["name"], one["digest"]) for one in logged["data_sets"])
    (rows,) = [one for one in told["datasets"] if one["name"] == "rows"]
    assert rows["tags"] == {"mlflow.data.context": "training", "kind": "small"}
    assert sorted(told["run_files"].values()) == sorted(digests.values())
    assert told["run_files"]["remark.txt"] == digests["remark.txt"]
    assert told["run_files"]["second/try/notes/more.txt"] == digests["notes/more.txt"]
    assert told["run_files"]["logged/model/theirs.txt"] == digests["model/theirs.txt"]
    (model,) = [
        path for path in told["run_files"] if path.startswith("models/m-") and path.endswith("/MLmodel")
    ]
    assert told["run_files"][model] == digests["MLmodel"]


def check_here(shown: dict[str, Any], told: dict[str, Any], version: Version) -> None:
    """What came back is what MLflow's client read."""
    assert shown["version"]["ours"] == "delay/1"
    assert shown["version"]["tags"] == told["versions"][0]["tags"]
    run = shown["run"]
    assert (run["id"], run["facts"]["status"]) == (told["run"], "FINISHED")
    assert run["facts"]["params"] == told["parameters"]
    assert run["facts"]["tags"] == told["tags"]
    assert sorted(one["digest"] for one in run["facts"]["inputs"]) == sorted(
        one["digest"] for one in told["datasets"]
    )
    for name, curve in told["curves"].items():
        if len(curve) > 1:
            assert points_of(run["curves"][name]) == points_of(curve), name
        else:
            assert points_of([run["facts"]["metrics"][name]]) == points_of(curve), name
    files = {one["path"]: one["digest"] for one in shown["version"]["files"]}
    assert files["model.skops"] == version.model_digest
    assert {path: digest for path, digest in files.items() if not path.startswith("run/")} == told["files"]
