"""Files of a workspace in a git repository: the commit is recorded, differences are said, files are checked before a commit."""

import subprocess
from pathlib import Path

import pytest

from pilothouse.domain.integrations.git_state import without_credentials

HOOKS = Path(__file__).parents[2] / ".pre-commit-hooks.yaml"


def git(root: Path, *words: str) -> str:
    named = ("-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false")
    done = subprocess.run(["git", *named, *words], cwd=root, capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.fixture
def commit(root: Path, workspace) -> str:
    """The workspace in a repository with one commit and a remote."""
    git(root, "init", "-q", "-b", "main")
    (root / ".gitignore").write_text("state/\n")
    git(root, "add", ".")
    git(root, "commit", "-qm", "first")
    git(root, "remote", "add", "origin", "https://ada:geheim@git.example.org/team/models.git?token=geheim")
    return git(root, "rev-parse", "HEAD")


def test_the_commit_of_applied_files_is_on_record(workspace, root: Path, commit: str) -> None:
    state = {
        "commit": commit, "branch": "main", "dirty": False, "remote": "https://git.example.org/team/models.git",
    }  # fmt: skip
    (planned,) = workspace("apply", "--plan", "--json").json
    assert planned["git"] == state
    assert f"from commit {commit[:12]} on main, of https://git" in workspace("apply").out
    (model,) = workspace("models", "--json").json
    assert model["git"] == state
    told = workspace("audit", "show", "--json").out
    assert commit in told
    assert "geheim" not in told
    assert b"geheim" not in (root / "state" / "registry.db").read_bytes()

    file = root / "models" / "delay" / "model.toml"
    file.write_text(file.read_text().replace("maximum_missing = 0.5", "maximum_missing = 0.4"))
    (root / "targets.toml").write_text('[[target]]\nname = "ewr"\n')
    changes = {one["model"]: one["git"]["dirty"] for one in workspace("apply", "--json").json}
    assert changes == {"targets.toml": True, "delay": True}
    git(root, "commit", "-qam", "stricter")
    file.write_text(file.read_text().replace("maximum_missing = 0.4", "maximum_missing = 0.3"))
    git(root, "commit", "-qam", "stricter still")
    git(root, "checkout", "-q", "--detach")
    (change,) = [one for one in workspace("apply", "--json").json if one["action"] == "update"]
    assert change["git"] == {**state, "commit": git(root, "rev-parse", "HEAD"), "branch": ""}


def test_receivers_are_recorded_with_their_commit(workspace, root: Path, commit: str) -> None:
    workspace("apply")
    (root / "alerts.toml").write_text("")
    git(root, "add", ".")
    git(root, "commit", "-qm", "alerts")
    workspace("apply")
    (entry,) = [
        one for one in workspace("audit", "show", "--json").json if one["action"] == "alerts.described"
    ]
    assert entry["detail"]["git"]["commit"] == git(root, "rev-parse", "HEAD")


def test_rows_beside_a_model_do_not_make_its_files_dirty(workspace, root: Path, commit: str) -> None:
    (root / "models" / "delay" / "notes.txt").write_text("x")
    (planned,) = workspace("apply", "--plan", "--json").json
    assert planned["git"]["dirty"] is False
    (root / "models" / "delay" / "train.py").write_text("x = 1\n")
    (planned,) = workspace("apply", "--plan", "--json").json
    assert planned["git"]["dirty"] is True


def test_without_a_repository_or_a_commit_nothing_is_recorded(workspace, root: Path) -> None:
    (planned,) = workspace("apply", "--plan", "--json").json
    assert planned["git"] == {}
    git(root, "init", "-q")
    assert workspace("apply").code == 0
    assert workspace("models", "--json").json[0]["git"] is None


def test_diff_says_by_its_exit_code_whether_anything_would_change(workspace, root: Path) -> None:
    different = workspace("diff")
    assert different.code == 2
    assert "delay: create" in different.out
    assert workspace("apply").code == 0
    assert (workspace("diff").code, workspace("diff", "--json").json) == (0, [])
    file = root / "models" / "delay" / "model.toml"
    before = file.read_text()
    file.write_text(f"# a remark\n{before}")
    assert workspace("diff").code == 0
    file.write_text(before.replace("maximum_missing = 0.5", "maximum_missing = 0.6"))
    different = workspace("diff")
    assert different.code == 2
    assert "gates.data.maximum_missing: 0.5 → 0.6" in different.out
    assert "  loosens gates.data.maximum_missing" in different.out
    file.write_text("name = ")
    assert workspace("diff").code == 1
    file.write_text(before)
    assert workspace("diff").code == 0


def test_files_are_checked_without_a_workspace(pilothouse, root: Path, tmp_path: Path) -> None:
    file = root / "models" / "delay" / "model.toml"
    assert pilothouse("check", str(file), as_name=None).code == 0
    (tmp_path / "targets.toml").write_text("[[target]]\n")
    (tmp_path / "other.toml").write_text("")
    (tmp_path / "alerts.toml").write_text(
        '[[receiver]]\nname = "hook"\nkind = "webhook"\nurl = "https://a.example"\n'
    )
    file.write_text(file.read_text().replace('name = "delay"', 'name = "other"'))
    told = pilothouse(
        "check",
        str(file),
        *(str(tmp_path / f"{name}.toml") for name in ("targets", "other", "alerts")),
        as_name=None,
    )
    assert told.code == 2
    assert "expected both to be the same" in told.err
    assert "targets.toml:1: target[0].name" in told.err
    assert "other.toml: is no file of a workspace" in told.err
    assert "alerts.toml:1: receiver[0]: has no secret" in told.err
    assert not (root / "state").exists()


def test_the_hook_names_a_command_that_there_is() -> None:
    text = HOOKS.read_text("utf-8")
    assert "entry: pilothouse check\n" in text
    assert r"files: (^|/)(model|targets|plans|integrations|alerts)\.toml$" in text


@pytest.mark.parametrize(
    ("url", "recorded"),
    [
        ("https://ada:geheim@host/x.git", "https://host/x.git"),
        ("https://geheim@host:8443/x?private_token=geheim#geheim", "https://host:8443/x"),
        ("git@host:team/x.git", "git@host:team/x.git"),
        ("ssh://git@host/x", "ssh://host/x"),
        ("/srv/models.git", "/srv/models.git"),
        ("ext::sh -c geheim", "ext::"),
        ("https://a:p@ss/geheim@host/x", None),
        ("", ""),
    ],
)
def test_remotes_lose_what_opens_them(url: str, recorded: str | None) -> None:
    found = without_credentials(url)
    if recorded is not None:
        assert found == recorded
    assert ":p@" not in found
