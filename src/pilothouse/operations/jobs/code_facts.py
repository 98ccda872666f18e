"""What code a training ran: a digest of the model's folder always, and what git knows of it where there is git.

git is run so that a repository cannot make it run anything else: no configuration but the repository's own, and of that
no hooks, no file-system monitor, no filters, no external diff; no network, no prompts, no locks; each call has a time-out.
"""

import hashlib
import os
import shutil
import stat
import subprocess
import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

from pilothouse.domain.errors import InvalidInputError

MODEL_FILE_LIMIT = 2_000
MODEL_BYTES_LIMIT = 64 << 20
_DIFF_LIMIT = 16 << 20
_GIT_TIMEOUT_S = 20.0
_SKIPPED = frozenset({"__pycache__", ".git", ".venv", "venv", "node_modules", ".ipynb_checkpoints"})
_OPTIONS = (
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "core.attributesFile=/dev/null",
    "core.excludesFile=/dev/null",
    "core.pager=cat",
    "core.quotePath=false",
    "core.untrackedCache=keep",
    "diff.external=",
    "protocol.allow=never",
    "submodule.recurse=false",
    # Nothing of the repository's is run, so whose it is does not matter.
    "safe.directory=*",
)


@dataclass(frozen=True, slots=True)
class CodeFacts:
    """``commit``, ``branch`` and ``dirty`` are None where there is no git; ``why`` then says what is missing.

    ``diff`` is what the folder holds beyond the commit, new files included, as git writes it; cut where it is huge.
    """

    folder_digest: str
    commit: str | None = None
    branch: str | None = None
    dirty: bool | None = None
    diff: bytes = b""
    diff_cut: bool = False
    why: str = ""

    def to_plain(self, diff_digest: str | None) -> dict[str, Any]:
        """The record of a run, with the digest under which the diff is stored."""
        return {
            "folder_digest": self.folder_digest,
            "commit": self.commit,
            "branch": self.branch,
            "dirty": self.dirty,
            "diff_digest": diff_digest,
            "diff_cut": self.diff_cut,
            "note": self.why,
        }


def folder_files(folder: Path, leave_out: Sequence[Path] = ()) -> Iterator[tuple[str, Path]]:
    """(relative name, path) of every file of a model's folder, in order, without caches, hidden files and ``leave_out``.

    Raises InvalidInputError for links and special files, whose content could change or lie anywhere.
    """
    skipped = {path.resolve() for path in leave_out}
    todo = [folder]
    found: list[tuple[str, Path]] = []
    while todo:
        for entry in sorted(todo.pop().iterdir()):
            if entry.name in _SKIPPED or entry.name.startswith(".") or entry.resolve() in skipped:
                continue
            mode = entry.lstat().st_mode
            if stat.S_ISDIR(mode):
                todo.append(entry)
            elif stat.S_ISREG(mode):
                found.append((entry.relative_to(folder).as_posix(), entry))
            else:
                raise InvalidInputError(
                    f"{entry}: is a link or a special file; expected plain files in a model's folder: put the file itself there"
                )
            if len(found) > MODEL_FILE_LIMIT:
                raise InvalidInputError(
                    f"{folder}: holds over {MODEL_FILE_LIMIT:,} files; expected code: keep data elsewhere"
                )
    yield from sorted(found)


def folder_digest(folder: Path, leave_out: Sequence[Path] = ()) -> str:
    """sha256 over the names and contents of the folder's files. Raises InvalidInputError."""
    total = hashlib.sha256()
    for name, path in folder_files(folder, leave_out):
        total.update(f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {name}\n".encode())
    return total.hexdigest()


def copy_folder(folder: Path, destination: Path, leave_out: Sequence[Path] = ()) -> str:
    """Copy the folder's files, read-only, and return the digest of what was copied. Raises InvalidInputError."""
    destination.mkdir(mode=0o700, parents=True)
    left = MODEL_BYTES_LIMIT
    for name, path in folder_files(folder, leave_out):
        data = path.read_bytes()
        left -= len(data)
        if left < 0:
            raise InvalidInputError(
                f"{folder}: holds over {MODEL_BYTES_LIMIT >> 20} MiB beside its source; expected code: keep data elsewhere"
            )
        place = destination / name
        place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        place.write_bytes(data)
        place.chmod(0o444)
    return folder_digest(destination)


def pack_folder(folder: Path) -> bytes:
    """The folder as a tar whose bytes depend on names and contents alone."""
    stream = BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, path in folder_files(folder):
            data = path.read_bytes()
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(data), 0o444
            archive.addfile(entry, BytesIO(data))
    return stream.getvalue()


def unpack_folder(data: bytes, destination: Path) -> None:
    """Write out what ``pack_folder`` packed. Raises InvalidInputError for anything but plain files inside it."""
    destination.mkdir(mode=0o700, parents=True)
    with tarfile.open(fileobj=BytesIO(data), mode="r:") as archive:
        for entry in archive:
            parts = Path(entry.name).parts
            content = archive.extractfile(entry) if entry.isreg() else None
            if content is None or not parts or ".." in parts or Path(entry.name).is_absolute():
                raise InvalidInputError(f"{entry.name!r}: expected a plain file inside the model's folder")
            place = destination.joinpath(*parts)
            place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            place.write_bytes(content.read())
            place.chmod(0o444)


def code_facts(folder: Path, leave_out: Sequence[Path] = ()) -> CodeFacts:
    """Look at a model's folder and at the git repository around it, if there is one. Raises InvalidInputError."""
    digest = folder_digest(folder, leave_out)
    if shutil.which("git") is None:
        return CodeFacts(digest, why="git is not installed")
    try:
        return _git_facts(folder, leave_out, digest)
    except _GitError as error:
        why = "no git repository around it" if "not a git repository" in str(error) else str(error)
        return CodeFacts(digest, why=why)


class _GitError(Exception):
    """git could not answer; the digest of the folder's content has to do."""


def _git_facts(folder: Path, leave_out: Sequence[Path], digest: str) -> CodeFacts:
    folder = folder.resolve()
    root = Path(os.fsdecode(_git(folder, "rev-parse", "--show-toplevel").removesuffix(b"\n")))
    if not folder.is_relative_to(root):
        raise _GitError(
            f"the repository says that its files are in {root}, which does not hold the model's folder"
        )
    options = [*_OPTIONS, *_without_filters(root)]
    commit = _text(
        _git(root, "rev-parse", "--verify", "--quiet", "HEAD^{commit}", options=options, ok=(0, 1))
    )
    branch = _text(_git(root, "symbolic-ref", "--quiet", "--short", "HEAD", options=options, ok=(0, 1)))
    if not commit:
        return CodeFacts(digest, branch=branch or None, dirty=True, why="the repository has no commit yet")
    paths = ["--", _pathspec(root, folder)]
    paths += [_pathspec(root, path, "exclude") for path in leave_out if path.resolve().is_relative_to(folder)]
    diff = _git(
        root, "diff", "--no-ext-diff", "--no-textconv", "--no-color", "--binary", "--ignore-submodules=all",
        "HEAD", *paths, options=options,
    )  # fmt: skip
    new = _git(root, "ls-files", "--others", "--exclude-standard", "-z", *paths, options=options)
    names = [
        name for name in map(os.fsdecode, new.split(b"\0")) if name and not _SKIPPED & set(Path(name).parts)
    ]
    for name in names:
        if len(diff) > _DIFF_LIMIT:
            break
        diff += _git(
            root, "diff", "--no-index", "--no-ext-diff", "--no-textconv", "--no-color", "--binary",
            "--", "/dev/null", name, options=options, ok=(0, 1),
        )  # fmt: skip
    return CodeFacts(
        digest,
        commit=commit,
        branch=branch or None,
        dirty=bool(diff or names),
        diff=diff[:_DIFF_LIMIT],
        diff_cut=len(diff) > _DIFF_LIMIT,
    )


def _without_filters(root: Path) -> list[str]:
    """Options that empty every filter and text conversion that the repository's own configuration names."""
    names = _git(
        root, "config", "--null", "--name-only", "--get-regexp", r"^(filter|diff)\.", options=_OPTIONS, ok=(0, 1)
    )  # fmt: skip
    emptied = []
    for name in {os.fsdecode(name) for name in names.split(b"\0") if name}:
        key = name.rpartition(".")[2].lower()
        if key in ("clean", "smudge", "process", "textconv", "command"):
            emptied.append(f"{name}=")
        elif key == "required":
            emptied.append(f"{name}=false")
    return emptied


def _git(folder: Path, *arguments: str, options: Sequence[str] = _OPTIONS, ok: Sequence[int] = (0,)) -> bytes:
    environment = {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": "/nonexistent",
        "LC_ALL": "C",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "GIT_ATTR_NOSYSTEM": "1",
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_NO_LAZY_FETCH": "1",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ALLOW_PROTOCOL": "",
        # By number, for a key of the repository's may hold any character.
        "GIT_CONFIG_COUNT": str(len(options)),
    }
    for i, option in enumerate(options):
        # A key's last dot comes before its value; a value of ours holds no "=" that matters.
        key, _, value = option.rpartition("=")
        environment[f"GIT_CONFIG_KEY_{i}"], environment[f"GIT_CONFIG_VALUE_{i}"] = key, value
    try:
        done = subprocess.run(
            ["git", "--no-pager", *arguments],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_GIT_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise _GitError(f"git {arguments[0]}: {error}") from None
    if done.returncode not in ok:
        words = done.stderr.decode("utf-8", "replace").split("\n")[0][:300]
        raise _GitError(words or f"git {arguments[0]} ended with code {done.returncode}")
    return done.stdout


def _pathspec(root: Path, path: Path, magic: str = "") -> str:
    words = ",".join(filter(None, ("top", "literal", magic)))
    return f":({words}){path.resolve().relative_to(root).as_posix()}"


def _text(output: bytes) -> str:
    return output.decode("utf-8", "replace").strip()
