"""The hook of ``.pre-commit-hooks.yaml``, installed and run by pre-commit itself in a repository of models."""

import os
import subprocess
from pathlib import Path

import pytest
from installed import FOLDER, python_with

from support.small_workspace import make_small_workspace

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def pre_commit() -> Path:
    return python_with("pre-commit", "pre-commit==4.7.0").parent / "pre-commit"


def test_pre_commit_stops_a_commit_of_a_file_with_faults(pre_commit: Path, tmp_path: Path) -> None:
    # a repository of ours with the files as they are: pre-commit clones what a commit holds
    hooks = tmp_path / "pilothouse"
    names = subprocess.run(
        ["git", "ls-files", "-z", ".", ":!tests", ":!docs", ":!findings"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    ).stdout
    for name in names.decode().split("\0"):
        if name and (ROOT / name).exists():
            (hooks / name).parent.mkdir(parents=True, exist_ok=True)
            (hooks / name).write_bytes((ROOT / name).read_bytes())
    models = make_small_workspace(tmp_path / "w")
    models.write_model()
    models.services.close()
    revision = committed(hooks)
    (models.root / ".gitignore").write_text("state/\n")
    (models.root / ".pre-commit-config.yaml").write_text(
        f'repos:\n- repo: "{hooks}"\n  rev: {revision}\n  hooks: [{{id: pilothouse-check}}]\n'
    )
    committed(models.root)
    assert run(pre_commit, models.root).returncode == 0
    file = models.root / "models" / "delay" / "model.toml"
    file.write_text(file.read_text().replace('task = "binary"', 'task = "binry"'))
    git(models.root, "add", "-A")
    said = run(pre_commit, models.root)
    assert said.returncode == 1
    assert "model.toml" in said.stdout
    assert "binry" in said.stdout
    assert "Traceback" not in said.stdout


def run(pre_commit: Path, root: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [pre_commit, "run", "--all-files"],
        cwd=root,
        capture_output=True,
        text=True,
        env={**os.environ, "PRE_COMMIT_HOME": str(FOLDER / "pre-commit-home"), "TMPDIR": str(root.parent)},
        check=False,
    )


def git(root: Path, *words: str) -> str:
    who = [
        "-c",
        "user.name=somebody",
        "-c",
        "user.email=somebody@example.org",
        "-c",
        "init.defaultBranch=main",
    ]
    done = subprocess.run(["git", *who, *words], cwd=root, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def committed(root: Path) -> str:
    """Commit of everything in a folder, as a repository of its own."""
    git(root, "init", "-q")
    git(root, "add", "-A")
    git(root, "commit", "-q", "-m", "as it is")
    return git(root, "rev-parse", "HEAD")
