"""State of the git repository around a workspace's files, when they are applied."""

import os
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path

from pilothouse.domain.formats.safe_text import one_line
from pilothouse.domain.integrations.git_state import GitState, without_credentials
from pilothouse.system.programs.git import OPTIONS, GitError, git, text_of, without_filters

_LONGEST = 200
_SUFFIXES = (".toml", ".py")
"""Files of a model's folder that say what it is; data beside them is digested with each snapshot."""


def git_states(files: Mapping[str, Iterable[Path]]) -> dict[str, GitState]:
    """State of the repository for each group of files, by the group's name; groups that lie in none are left out.

    Files of a folder are those that say what a model is (``.toml``, ``.py``), new ones too.
    """
    if shutil.which("git") is None:
        return {}
    known: dict[Path, GitState] = {}
    roots: dict[Path, Path | None] = {}
    changed: dict[Path, set[Path]] = {}
    found: dict[str, GitState] = {}
    for name, group in files.items():
        paths = [path.resolve() for path in group]
        folder = paths[0] if paths[0].is_dir() else paths[0].parent
        try:
            # found for the folder above it once: a thousand models lie in one repository
            place = folder if (folder / ".git").exists() else folder.parent
            if place not in roots:
                roots[place] = _root(folder)
            root = roots[place]
            if root is None or not all(path.is_relative_to(root) for path in paths):
                continue
            if root not in known:
                known[root] = _state(root)
                changed[root] = _changed(root) if known[root].commit else set()
        except GitError:
            continue
        state = known[root]
        if state.commit:
            dirty = any(_is_in(one, paths) for one in changed[root])
            found[name] = GitState(state.commit, state.branch, dirty, state.remote)
    return found


def _root(folder: Path) -> Path | None:
    try:
        return Path(os.fsdecode(git(folder, "rev-parse", "--show-toplevel").removesuffix(b"\n"))).resolve()
    except GitError:
        return None


def _state(root: Path) -> GitState:
    options = [*OPTIONS, *without_filters(root)]

    def ask(*words: str) -> str:
        return one_line(text_of(git(root, *words, options=options, ok=(0, 1))), _LONGEST)

    branch = ask("symbolic-ref", "--quiet", "--short", "HEAD")
    upstream = ask("config", "--get", f"branch.{branch}.remote") if branch else ""
    names = ask("remote").split()
    remote = next((name for name in (upstream, "origin", *names) if name in names), "")
    url = git(root, "config", "--get", f"remote.{remote}.url", options=options, ok=(0, 1)) if remote else b""
    commit = ask("rev-parse", "--verify", "--quiet", "HEAD^{commit}")
    return GitState(commit, branch, remote=without_credentials(text_of(url)))


def _changed(root: Path) -> set[Path]:
    """Files that differ from the commit, and new ones that are not ignored."""
    options = [*OPTIONS, *without_filters(root)]
    against = git(
        root, "diff", "--no-ext-diff", "--name-only", "-z", "--ignore-submodules=all", "HEAD", options=options
    )
    new = git(root, "ls-files", "--others", "--exclude-standard", "-z", options=options)
    # a file that is ignored and applied is in no commit either
    ignored = git(
        root, "ls-files", "--others", "--ignored", "--exclude-standard", "-z", "--", "*.toml", options=options
    )
    return {root / os.fsdecode(name) for name in (against + new + ignored).split(b"\0") if name}


def _is_in(changed: Path, paths: Iterable[Path]) -> bool:
    return any(
        changed == path or (path.is_dir() and changed.is_relative_to(path) and changed.suffix in _SUFFIXES)
        for path in paths
    )
