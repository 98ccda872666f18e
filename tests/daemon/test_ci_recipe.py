"""The CI recipe in a temporary repository, without any forge: files checked, models trained and gated, evidence left."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pilothouse.confinement import probe
from pilothouse.domain.confinement import confines
from support.small_workspace import ESTIMATOR, MODEL, write_rows

RECIPES = Path(__file__).parents[2] / "docs" / "ci"
pytestmark = [
    pytest.mark.loop,
    pytest.mark.skipif(not confines(probe.offered()), reason="nothing confines here"),
]


def test_a_branch_is_trained_and_gated_and_its_evidence_left(tmp_path: Path) -> None:
    root = tmp_path / "repository"
    folder = root / "models" / "delay"
    folder.mkdir(parents=True)
    (root / "ci").mkdir()
    shutil.copy(RECIPES / "train-and-gate.sh", root / "ci")
    (root / "data").mkdir()
    write_rows(root / "data" / "rows.csv", 2_400)
    (folder / "model.toml").write_text(MODEL.format(training=ESTIMATOR, more=""))
    (root / ".gitignore").write_text("state/\nevidence.md\n")
    git(root, "init", "-q", "-b", "main")
    git(root, "add", ".")
    git(root, "commit", "-qm", "first")
    base = git(root, "rev-parse", "HEAD")
    (folder / "model.toml").write_text(
        MODEL.format(training=ESTIMATOR, more="").replace('owner = "tests"', 'owner = "@everybody"')
    )
    git(root, "commit", "-qam", "another owner")

    check, train = commands()
    assert shell(root, check).returncode == 0
    done = shell(root, train.replace("${{ github.event.pull_request.base.sha }}", base))
    assert done.returncode == 0, done.stdout + done.stderr
    evidence = (root / "evidence.md").read_text()
    assert "# Request 1: models:/delay/1" in evidence
    assert "● passed" in evidence or "passed" in evidence
    assert git(root, "rev-parse", "HEAD")[:12] in evidence
    assert "@" not in evidence

    shutil.rmtree(root / "state")
    strict = (
        (folder / "model.toml")
        .read_text()
        .replace("[gates.data]", '[[gates.metric]]\nmetric = "auc"\nminimum = 0.9999\n\n[gates.data]')
    )
    (folder / "model.toml").write_text(strict)
    git(root, "commit", "-qam", "a gate that nothing passes")
    done = shell(root, train.replace("${{ github.event.pull_request.base.sha }}", base))
    assert done.returncode == 1, done.stdout + done.stderr
    assert "# models:/delay/1" in (root / "evidence.md").read_text()
    assert "✖ failed" in (root / "evidence.md").read_text()


def test_both_recipes_run_the_same_commands() -> None:
    github = (RECIPES / "github-actions.yml").read_text("utf-8")
    gitlab = (RECIPES / "gitlab-ci.yml").read_text("utf-8")
    ours = re.findall(r"(?:run:|^ +-) (.*(?:pilothouse check|train-and-gate).*)$", github, flags=re.MULTILINE)
    assert len(ours) == 2
    for command in ours:
        assert command.split('"')[0].strip() in gitlab


def commands() -> tuple[str, str]:
    text = (RECIPES / "github-actions.yml").read_text("utf-8")
    check, train = re.findall(r"run: (.*(?:pilothouse check|train-and-gate).*)$", text, flags=re.MULTILINE)
    return check, train


def git(root: Path, *words: str) -> str:
    named = ("-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false")
    return subprocess.run(
        ["git", *named, *words], cwd=root, capture_output=True, text=True, check=True
    ).stdout.strip()


def shell(root: Path, command: str) -> "subprocess.CompletedProcess[str]":
    programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        ["bash", "-e", "-c", command],
        cwd=root, env={**os.environ, "PATH": programs}, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
