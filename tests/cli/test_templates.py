"""``init --template``: listed, written, applied as it stands; its data is the same bytes everywhere."""

import csv
import hashlib
import subprocess
import sys
from pathlib import Path

import pytest

from pilothouse.cli import failures, main
from pilothouse.domain.models.model_file import load_spec
from pilothouse.operations.templates import made_data
from pilothouse.operations.templates.catalogue import TEMPLATES

DIGESTS = {
    "fraud": "86813e516e34",
    "churn": "447ea305c914",
    "hourly-forecast": "78ca3573541d",
    "triage": "800292232062",
}
"""The first twelve digits of sha256 of both files together."""


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]):
    def run(*arguments: str) -> tuple[int, str, str]:
        capsys.readouterr()
        code = failures.run(lambda: main.run(arguments))
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


def test_templates_are_listed_where_none_is_named_and_nothing_is_made(
    run, tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.chdir(tmp_path)
    code, out, _ = run("init", "--template")
    assert code == 0
    assert [line.split()[0] for line in out.splitlines()[1:]] == list(TEMPLATES)
    assert max(map(len, out.splitlines())) <= 100
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_template_makes_a_workspace_that_applies_as_it_stands(run, tmp_path: Path, name: str) -> None:
    root = tmp_path / "a desk"
    code, _, err = run("init", str(root), "--solo", "--template", name)
    assert code == 0, err
    assert "made, not measured" in err
    lines = [line.strip() for line in err.partition("next:\n")[2].splitlines()]
    assert lines == [
        f"cd '{root}'",
        "pilothouse apply",
        "pilothouse daemon start",
        f"pilothouse train {name} --wait",
    ]
    spec = load_spec((root / "models" / name / "model.toml").read_text(), "model.toml")
    template = TEMPLATES[name]
    assert (spec.task, spec.data.target, [t.name for t in spec.targets]) == (
        template.task,
        template.outcome,
        [template.target],
    )
    for mark in ("NAME", "TARGET", "OUTCOME", "OWNER"):
        assert mark not in (root / "README.md").read_text()
        assert mark not in (root / "models" / name / "model.toml").read_text()
    code, out, err = run("-w", str(root), "apply", "--plan")
    assert code == 0, err
    assert f"{name}: create" in out
    assert "note" not in out + err


@pytest.mark.parametrize("name", TEMPLATES)
def test_the_data_is_made_again_from_its_seed_by_the_file_beside_it(run, tmp_path: Path, name: str) -> None:
    root, again = tmp_path / "w", tmp_path / "again"
    assert run("init", str(root), "--template", name)[0] == 0
    again.mkdir()
    command = [sys.executable, "-I", str(root / "data" / "made_data.py"), name, str(again)]
    subprocess.run(command, check=True, timeout=60)
    both = b"".join((again / f"{name}{part}.csv").read_bytes() for part in ("", "-later"))
    assert hashlib.sha256(both).hexdigest()[:12] == DIGESTS[name]
    for part in ("", "-later"):
        file = f"{name}{part}.csv"
        assert (root / "data" / file).read_bytes() == (again / file).read_bytes()
    other = tmp_path / "other"
    other.mkdir()
    made_data.write(name, other, seed=made_data.SEED + 1)
    assert (other / f"{name}.csv").read_bytes() != (again / f"{name}.csv").read_bytes()


@pytest.mark.parametrize("name", TEMPLATES)
def test_nothing_has_moved_in_the_days_to_learn_from(tmp_path: Path, name: str) -> None:
    learnt, later = made_data.write(name, tmp_path)
    with learnt.open() as stream:
        rows = list(csv.DictReader(stream))
    with later.open() as stream:
        after = list(csv.DictReader(stream))
    assert rows[-1]["at"] < after[0]["at"]
    assert [row["at"] for row in rows + after] == sorted(row["at"] for row in rows + after)
    assert {row["at"][:10] for row in rows}.isdisjoint(row["at"][:10] for row in after)
    assert len({row["at"][:10] for row in after}) == made_data.LATER


def test_what_is_no_template_and_what_does_not_go_with_one_is_said(run, tmp_path: Path) -> None:
    root = tmp_path / "w"
    code, _, err = run("init", str(root), "--template", "frauds")
    assert (code, "no template 'frauds'; there are fraud, churn, hourly-forecast, triage" in err) == (3, True)
    code, _, err = run("init", str(root), "--template", "fraud", "--name", "x")
    assert (code, "--from and its options do not go with it" in err) == (2, True)
    (root / "data").mkdir(parents=True)
    (root / "data" / "fraud.csv").write_text("mine\n")
    code, _, err = run("init", str(root), "--template", "fraud")
    assert (code, "a template overwrites nothing" in err) == (5, True)
    assert (root / "data" / "fraud.csv").read_text() == "mine\n"
    assert not (root / "state").exists()
