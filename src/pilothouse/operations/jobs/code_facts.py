"""Code of a training: a digest of the model's folder, and the state of the git repository around it, if there is one.

git is run by ``system/programs/git.py``.
"""

import hashlib
import os
import pwd
import shutil
import stat
import tarfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path
from typing import Any

from pilothouse.domain.errors import InvalidInputError
from pilothouse.domain.formats.safe_text import one_line
from pilothouse.system.programs.git import OPTIONS, GitError, git, pathspec, text_of, without_filters

MODEL_FILE_LIMIT = 2_000
MODEL_BYTES_LIMIT = 64 << 20
_DIFF_LIMIT = 16 << 20
_COMMITS = 20
"""Newest commits of a folder whose authors are recorded."""
_SKIPPED = frozenset({"__pycache__", ".git", ".venv", "venv", "node_modules", ".ipynb_checkpoints"})


@dataclass(frozen=True, slots=True)
class CodeFacts:
    """Code of a model's folder. ``commit``, ``branch`` and ``dirty`` are None without git; ``note`` then says why.

    ``diff`` is git's diff of the folder against the commit, new files included; cut where it is huge.
    """

    folder_digest: str
    commit: str | None = None
    branch: str | None = None
    dirty: bool | None = None
    diff: bytes = b""
    diff_cut: bool = False
    note: str = ""
    owners: tuple[str, ...] = ()
    """Names of the accounts that own the folder's files."""
    authors: tuple[str, ...] = ()
    """``name <address>`` of the authors of the newest commits of the folder."""

    def to_plain(self, diff_digest: str | None) -> dict[str, Any]:
        """Facts for the record of a run, with the digest under which the diff is stored."""
        return {
            "folder_digest": self.folder_digest,
            "commit": self.commit,
            "branch": self.branch,
            "dirty": self.dirty,
            "diff_digest": diff_digest,
            "diff_cut": self.diff_cut,
            "note": self.note,
            "owners": list(self.owners),
            "authors": list(self.authors),
        }


def folder_files(folder: Path, leave_out: Sequence[Path] = ()) -> Iterator[tuple[str, Path]]:
    """(relative name, path) of the files of a model's folder, in order, without caches, hidden files and ``leave_out``.

    Raises InvalidInputError for links and special files, whose content could change or lie anywhere.
    """
    skipped = {path.resolve() for path in leave_out}
    todo = [folder]
    files: list[tuple[str, Path]] = []
    while todo:
        for entry in sorted(todo.pop().iterdir()):
            if entry.name in _SKIPPED or entry.name.startswith(".") or entry.resolve() in skipped:
                continue
            mode = entry.lstat().st_mode
            if stat.S_ISDIR(mode):
                todo.append(entry)
            elif stat.S_ISREG(mode):
                files.append((entry.relative_to(folder).as_posix(), entry))
            else:
                raise InvalidInputError(
                    f"{entry}: is a link or a special file; expected plain files in a model's folder: put the file itself there"
                )
            if len(files) > MODEL_FILE_LIMIT:
                raise InvalidInputError(
                    f"{folder}: holds over {MODEL_FILE_LIMIT:,} files; expected code: keep data elsewhere"
                )
    yield from sorted(files)


def folder_digest(folder: Path, leave_out: Sequence[Path] = ()) -> str:
    """sha256 of the names and contents of a folder's files. Raises InvalidInputError."""
    total = hashlib.sha256()
    for name, path in folder_files(folder, leave_out):
        total.update(f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {name}\n".encode())
    return total.hexdigest()


def copy_files(folder: Path, names: Iterable[str], destination: Path) -> None:
    """Copy some files of a folder as read-only ones."""
    destination.mkdir(mode=0o700, parents=True)
    for name in names:
        _write_read_only(destination / name, (folder / name).read_bytes())


def copy_folder(folder: Path, destination: Path, leave_out: Sequence[Path] = ()) -> str:
    """Copy a folder's files as read-only ones; returns the digest of the copy. Raises InvalidInputError."""
    destination.mkdir(mode=0o700, parents=True)
    left = MODEL_BYTES_LIMIT
    for name, path in folder_files(folder, leave_out):
        data = path.read_bytes()
        left -= len(data)
        if left < 0:
            raise InvalidInputError(
                f"{folder}: holds over {MODEL_BYTES_LIMIT >> 20} MiB beside its source; expected code: keep data elsewhere"
            )
        _write_read_only(destination / name, data)
    return folder_digest(destination)


def _write_read_only(path: Path, data: bytes) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.write_bytes(data)
    path.chmod(0o444)


def pack_folder(folder: Path) -> bytes:
    """A folder as a tar whose bytes depend on names and contents alone."""
    stream = BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, path in folder_files(folder):
            data = path.read_bytes()
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(data), 0o444
            archive.addfile(entry, BytesIO(data))
    return stream.getvalue()


def unpack_folder(data: bytes, destination: Path) -> None:
    """Unpack a tar of ``pack_folder``. Raises InvalidInputError for anything but plain files inside the folder."""
    destination.mkdir(mode=0o700, parents=True)
    with tarfile.open(fileobj=BytesIO(data), mode="r:") as archive:
        for entry in archive:
            parts = Path(entry.name).parts
            content = archive.extractfile(entry) if entry.isreg() else None
            if content is None or not parts or ".." in parts or Path(entry.name).is_absolute():
                raise InvalidInputError(f"{entry.name!r}: expected a plain file inside the model's folder")
            _write_read_only(destination.joinpath(*parts), content.read())


def code_facts(folder: Path, leave_out: Sequence[Path] = ()) -> CodeFacts:
    """Facts of a model's folder and of the git repository around it, if there is one. Raises InvalidInputError."""
    digest, owners = folder_digest(folder, leave_out), _owners(folder, leave_out)
    if shutil.which("git") is None:
        return CodeFacts(digest, note="git is not installed", owners=owners)
    try:
        return replace(_git_facts(folder, leave_out, digest), owners=owners)
    except GitError as error:
        note = "no git repository around it" if "not a git repository" in str(error) else str(error)
        return CodeFacts(digest, note=note, owners=owners)


def repository_state(folder: Path) -> dict[str, Any]:
    """Commit, branch and ``dirty`` of the git repository around a folder, of all of its files; empty where there is none, and
    a ``note`` alone where git cannot say."""
    folder = folder.resolve()
    if not any((place / ".git").exists() for place in (folder, *folder.parents)):
        return {}
    if shutil.which("git") is None:
        return {"note": "git is not installed"}
    try:
        options = [*OPTIONS, *without_filters(folder)]
        state = (
            "status",
            "--porcelain=v2",
            "--branch",
            "-z",
            "--ignore-submodules=all",
            "--untracked-files=normal",
        )
        lines = git(folder, *state, options=options).decode("utf-8", "replace").split("\0")
    except GitError as error:
        return {"note": one_line(str(error), 300)}
    heads = dict(line[2:].split(" ", 1) for line in lines if line.startswith("# branch."))
    commit, branch = heads.get("branch.oid", ""), heads.get("branch.head", "")
    return {
        "commit": commit if commit != "(initial)" else None,
        "branch": branch if branch != "(detached)" else None,
        "dirty": any(line and not line.startswith("#") for line in lines),
    }


def _owners(folder: Path, leave_out: Sequence[Path]) -> tuple[str, ...]:
    """Names of the accounts that own the files, the number where an account has no name."""
    names = []
    for uid in sorted({path.stat().st_uid for _, path in folder_files(folder, leave_out)}):
        try:
            names.append(pwd.getpwuid(uid).pw_name)
        except KeyError:
            names.append(str(uid))
    return tuple(names)


def _git_facts(folder: Path, leave_out: Sequence[Path], digest: str) -> CodeFacts:
    folder = folder.resolve()
    root = Path(os.fsdecode(git(folder, "rev-parse", "--show-toplevel").removesuffix(b"\n")))
    if not folder.is_relative_to(root):
        raise GitError(
            f"the repository says that its files are in {root}, which does not hold the model's folder"
        )
    options = [*OPTIONS, *without_filters(root)]
    commit = text_of(
        git(root, "rev-parse", "--verify", "--quiet", "HEAD^{commit}", options=options, ok=(0, 1))
    )
    branch = text_of(git(root, "symbolic-ref", "--quiet", "--short", "HEAD", options=options, ok=(0, 1)))
    if not commit:
        return CodeFacts(digest, branch=branch or None, dirty=True, note="the repository has no commit yet")
    paths = ["--", pathspec(root, folder)]
    paths += [pathspec(root, path, "exclude") for path in leave_out if path.resolve().is_relative_to(folder)]
    diff = git(
        root, "diff", "--no-ext-diff", "--no-textconv", "--no-color", "--binary", "--ignore-submodules=all",
        "HEAD", *paths, options=options,
    )  # fmt: skip
    new = git(root, "ls-files", "--others", "--exclude-standard", "-z", *paths, options=options)
    names = [
        name for name in map(os.fsdecode, new.split(b"\0")) if name and not _SKIPPED & set(Path(name).parts)
    ]
    for name in names:
        if len(diff) > _DIFF_LIMIT:
            break
        diff += git(
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
        authors=_authors(root, paths, options),
    )


def _authors(root: Path, paths: Sequence[str], options: Sequence[str]) -> tuple[str, ...]:
    """Authors of the newest commits, each once."""
    written = git(
        root, "log", f"-{_COMMITS}", "--no-show-signature", "--no-mailmap", "--format=%an <%ae>", "HEAD", *paths,
        options=options,
    )  # fmt: skip
    lines = written.decode("utf-8", "replace").splitlines()
    return tuple(dict.fromkeys(one_line(line, 200) for line in lines if line))
