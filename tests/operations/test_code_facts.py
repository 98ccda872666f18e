"""What a training records of its code, from real repositories."""

import os
import pwd
import subprocess
from pathlib import Path

import pytest

from pilothouse.domain.errors import InvalidInputError
from pilothouse.operations.jobs.code_facts import (
    code_facts,
    copy_folder,
    folder_digest,
    pack_folder,
    unpack_folder,
)


def git(folder: Path, *arguments: str) -> str:
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_AUTHOR_NAME": "a",
        "GIT_AUTHOR_EMAIL": "a@example.org",
        "GIT_COMMITTER_NAME": "a",
        "GIT_COMMITTER_EMAIL": "a@example.org",
    }
    done = subprocess.run(
        ["git", *arguments], cwd=folder, env=environment, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    root = tmp_path / "repository"
    folder = root / "models" / "demo"
    folder.mkdir(parents=True)
    (folder / "model.toml").write_text('name = "demo"\n')
    (folder / "train.py").write_text("def fit(): ...\n")
    git(root, "init", "-q", "-b", "work")
    git(root, "add", ".")
    git(root, "commit", "-q", "-m", "first")
    return root


def test_a_clean_folder_is_named_by_its_commit(repository: Path) -> None:
    facts = code_facts(repository / "models" / "demo")

    assert facts.commit == git(repository, "rev-parse", "HEAD")
    assert (facts.branch, facts.dirty, facts.diff, facts.note) == ("work", False, b"", "")


def test_changed_and_new_files_of_the_folder_are_in_the_diff_and_others_are_not(repository: Path) -> None:
    folder = repository / "models" / "demo"
    (folder / "train.py").write_text("def fit(): return 1\n")
    (folder / "helper with blank.py").write_text("ANSWER = 42\n")
    (repository / "README").write_text("elsewhere\n")
    (folder / "__pycache__").mkdir()
    (folder / "__pycache__" / "train.pyc").write_bytes(b"cache")

    facts = code_facts(folder)

    assert facts.dirty
    assert b"+def fit(): return 1" in facts.diff
    assert b"+ANSWER = 42" in facts.diff
    assert b"elsewhere" not in facts.diff
    assert b"pycache" not in facts.diff


def test_a_model_folder_that_is_a_repository_of_its_own_is_looked_at(tmp_path: Path) -> None:
    folder = tmp_path / "delay"
    folder.mkdir()
    (folder / "train.py").write_text("x = 1\n")
    (folder / "rows.csv").write_text("a\n")
    git(folder, "init", "-q")
    git(folder, "add", ".")
    git(folder, "commit", "-qm", "first")
    assert code_facts(folder).dirty is False
    (folder / "rows.csv").write_text("b\n")
    assert code_facts(folder, [folder / "rows.csv"]).dirty is False
    (folder / "train.py").write_text("x = 2\n")
    (folder / "new.py").write_text("y = 1\n")
    found = code_facts(folder, [folder / "rows.csv"])
    assert found.dirty is True
    assert b"+x = 2" in found.diff
    assert b"+y = 1" in found.diff
    assert found.authors


def test_the_source_inside_the_folder_is_no_code(repository: Path) -> None:
    folder = repository / "models" / "demo"
    (folder / "rows.csv").write_text("a\n1\n")

    facts = code_facts(folder, leave_out=[folder / "rows.csv"])

    assert not facts.dirty
    assert facts.folder_digest == folder_digest(folder, [folder / "rows.csv"])
    assert facts.folder_digest != folder_digest(folder)


def test_without_a_repository_the_content_has_its_digest(tmp_path: Path) -> None:
    (tmp_path / "model.toml").write_text("x")

    facts = code_facts(tmp_path)

    assert (facts.commit, facts.dirty) == (None, None)
    assert len(facts.folder_digest) == 64
    assert facts.note == "no git repository around it"


def test_a_repository_without_a_commit_says_so(tmp_path: Path) -> None:
    (tmp_path / "model.toml").write_text("x")
    git(tmp_path, "init", "-q", "-b", "work")

    facts = code_facts(tmp_path)

    assert (facts.commit, facts.branch, facts.dirty) == (None, "work", True)
    assert "no commit" in facts.note


def test_a_detached_head_has_no_branch(repository: Path) -> None:
    git(repository, "checkout", "-q", "--detach")

    assert code_facts(repository / "models" / "demo").branch is None


def test_nothing_that_the_repository_configures_is_run(repository: Path, tmp_path: Path) -> None:
    folder = repository / "models" / "demo"
    trap = tmp_path / "ran"
    run = f"touch {trap}; cat"
    _sign(repository)
    (repository / ".gitattributes").write_text("*.py filter=evil diff=evil\n")
    for key in (
        "filter.evil.clean", "filter.evil.smudge", "filter.evil.process", "diff.evil.textconv", "diff.evil.command",
        "diff.external", "core.fsmonitor", "core.pager", "filter.e=v.il.clean",
    ):  # fmt: skip
        git(repository, "config", key, run)
    git(repository, "config", "filter.evil.required", "true")
    hooks = repository / ".git" / "hooks"
    hooks.mkdir(exist_ok=True)
    for name in ("post-index-change", "fsmonitor-watchman", "pre-auto-gc"):
        (hooks / name).write_text(f"#!/bin/sh\ntouch {trap}\n")
        (hooks / name).chmod(0o755)
    verifier = tmp_path / "verifier"
    verifier.write_text(f"#!/bin/sh\ntouch {trap}\n")
    verifier.chmod(0o755)
    git(repository, "config", "log.showSignature", "true")
    git(repository, "config", "gpg.program", str(verifier))
    (folder / "train.py").write_text("def fit(): return 2\n")

    facts = code_facts(folder)

    assert b"+def fit(): return 2" in facts.diff
    assert facts.authors == ("a <a@example.org>",)
    assert not trap.exists()


def _sign(repository: Path) -> None:
    """Give the newest commit a signature, which git would have a program look at."""
    head, _, message = git(repository, "cat-file", "commit", "HEAD").partition("\n\n")
    signature = "gpgsig -----BEGIN PGP SIGNATURE-----\n \n aaaa\n -----END PGP SIGNATURE-----"
    commit = repository / "commit"
    commit.write_text(f"{head}\n{signature}\n\n{message}\n")
    signed = git(repository, "hash-object", "-t", "commit", "-w", str(commit))
    commit.unlink()
    git(repository, "reset", "-q", "--soft", signed)


def test_owners_of_the_files_and_authors_of_the_commits_are_named(repository: Path) -> None:
    folder = repository / "models" / "demo"
    (folder / "gate.py").write_text("def check(): ...\n")
    git(repository, "add", ".")
    git(repository, "commit", "-q", "-m", "second", "--author", "Petra \x1b[31m <petra@example.org>")
    git(
        repository,
        "commit",
        "-q",
        "--allow-empty",
        "-m",
        "of something else",
        "--author",
        "Sam <sam@example.org>",
    )

    facts = code_facts(folder)

    assert facts.owners == (pwd.getpwuid(os.getuid()).pw_name,)
    assert len(facts.authors) == 2
    assert facts.authors[0].startswith("Petra ")
    assert "\x1b" not in facts.authors[0]
    assert facts.authors[1] == "a <a@example.org>"
    plain = facts.to_plain(None)
    assert (plain["owners"], plain["authors"]) == (list(facts.owners), list(facts.authors))


def test_a_link_in_a_model_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "shared.py").symlink_to(tmp_path / "elsewhere.py")

    with pytest.raises(InvalidInputError, match=r"shared\.py: is a link"):
        folder_digest(tmp_path / "folder")


def test_a_copy_keeps_the_digest_and_packs_to_the_same_bytes(repository: Path, tmp_path: Path) -> None:
    folder = repository / "models" / "demo"
    (folder / "lib").mkdir()
    (folder / "lib" / "more.py").write_text("x = 1\n")

    digest = copy_folder(folder, tmp_path / "copy")
    packed = pack_folder(tmp_path / "copy")
    unpack_folder(packed, tmp_path / "again")

    assert digest == folder_digest(folder) == folder_digest(tmp_path / "again")
    assert packed == pack_folder(folder) == pack_folder(tmp_path / "again")
    assert (tmp_path / "copy" / "train.py").stat().st_mode & 0o777 == 0o444
