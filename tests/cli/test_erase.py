"""What an admin types to erase a person's rows, from the plan to the restored backup."""

import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from pilothouse.cli import failures, main
from pilothouse.domain.identity.roles import Role
from pilothouse.operations.workspace import workspaces
from pilothouse.system.workspace_place import os_user
from support import patients
from support.patients import PEOPLE, PERSON

Run = Callable[..., tuple[int, str, str]]
WHERE = ("--where", f"patient_id={PERSON}")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    services = patients.make(tmp_path / "work space")
    workspaces.grant_role(services, patients.admin(services), os_user(), Role.ADMIN)
    services.close()
    return tmp_path / "work space"


@pytest.fixture
def run(root: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    def act(*arguments: str, workspace: Path | None = root) -> tuple[int, str, str]:
        capsys.readouterr()
        where = ["--workspace", str(workspace)] if workspace else []
        code = failures.run(lambda: main.run([*where, *arguments]))
        out, err = capsys.readouterr()
        return code, out, err

    return act


def test_a_plan_an_order_and_what_is_said_of_them(run: Run) -> None:
    code, out, err = run("erase", "plan", *WHERE)
    assert code == 0
    assert "snapshot of demo/1" in out
    assert "nothing is kept of this plan: add --reason" in err
    plan = json.loads(run("--json", "erase", "plan", *WHERE, "--reason", "ticket 7")[1])
    assert plan["counts"]["predictions"] == PEOPLE[:20].count(PERSON) + PEOPLE[:10].count(PERSON)

    code, _, err = run("erase", "apply", plan["plan"][:12])

    assert code == 0
    assert "erasure 1 is done" in err
    assert "no row of it is stored" in run("erase", "plan", *WHERE)[2]
    assert "the column patient_id" in run("erase", "list")[1]
    assert f"{PEOPLE.count(PERSON)} of 100 rows" in run("erase", "show", "1")[1]
    assert json.loads(run("erase", "show", "1", "--json")[1])["reason"] == "ticket 7"
    assert "erasures: 1 tombstone, signed and in the log" in run("audit", "verify")[2]
    assert f"{PEOPLE.count(PERSON)} of 100 rows were erased" in run("lineage", "demo/1")[1]
    assert "no erasure is unfinished" in run("erase", "finish")[2]
    code, _, err = run("erase", "apply", plan["plan"][:12])
    assert (code, "there is no plan" in err) == (3, True)


def test_the_value_may_come_by_standard_input_and_ids_by_a_file(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{PERSON}\n"))
    assert "snapshot of demo/1" in run("erase", "plan", "--where", "patient_id")[1]
    ids = tmp_path / "ids.txt"
    ids.write_text(f"ewr-1.0.{PEOPLE.index(PERSON)}\n\n")
    assert (
        json.loads(run("--json", "erase", "plan", "--predictions", str(ids))[1])["counts"]["predictions"] == 1
    )
    for wrong in (("--where", "=x"), ("--where", "patient_id="), ("--predictions", str(tmp_path))):
        code, _, err = run("erase", "plan", *wrong)
        assert code == 2
        assert len(err.splitlines()) == 1


def test_a_backup_of_before_is_restored_with_the_tombstones(run: Run, root: Path, tmp_path: Path) -> None:
    for name in ("before.tar", "again.tar"):
        assert run("backup", str(tmp_path / name))[0] == 0
    plan = json.loads(run("--json", "erase", "plan", *WHERE, "--reason", "ticket 7")[1])["plan"]
    assert run("erase", "apply", plan)[0] == 0

    code, _, err = run("restore", str(tmp_path / "before.tar"), str(tmp_path / "restored"))
    assert (code, "1 of the 1 tombstones" in err) == (0, True)
    assert patients.everything(tmp_path / "restored") == []

    (tmp_path / "apart").mkdir()
    (tmp_path / "again.tar").rename(tmp_path / "apart" / "again.tar")
    alone = tmp_path / "apart" / "alone"
    code, _, err = run("restore", str(tmp_path / "apart" / "again.tar"), str(alone), workspace=None)
    assert code == 0
    assert "is in it again" in err
    assert "erasures: restored from a backup" in run("doctor", workspace=alone)[1]
    assert run("erase", "take", workspace=alone)[0] == 2
    code, _, err = run("erase", "take", str(root / "erasures"), workspace=alone)
    assert (code, "0 of 1 tombstones were known here, 1 are carried out now" in err) == (0, True)
    assert patients.everything(alone) == []
    assert "it knows no erasure" in run("restore", str(tmp_path / "before.tar"), "--verify")[2]
