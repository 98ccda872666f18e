"""git, run so that a repository cannot make it run anything else: only the repository's own configuration counts, without its
hooks, file-system monitor, filters and external diffs; no network, no prompts, no locks; each call has a time-out.
"""

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

_GIT_TIMEOUT_S = 20.0
OPTIONS = (
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
    # Nothing in the repository is run, so that its owner does not matter.
    "safe.directory=*",
)


class GitError(Exception):
    """Failure of git: what was asked for is not known then."""


def without_filters(root: Path) -> list[str]:
    """Options that disable every filter and text conversion in the repository's own configuration."""
    names = git(
        root, "config", "--null", "--name-only", "--get-regexp", r"^(filter|diff)\.", options=OPTIONS, ok=(0, 1)
    )  # fmt: skip
    emptied = []
    for name in {os.fsdecode(name) for name in names.split(b"\0") if name}:
        key = name.rpartition(".")[2].lower()
        if key in ("clean", "smudge", "process", "textconv", "command"):
            emptied.append(f"{name}=")
        elif key == "required":
            emptied.append(f"{name}=false")
    return emptied


def git(folder: Path, *arguments: str, options: Sequence[str] = OPTIONS, ok: Sequence[int] = (0,)) -> bytes:
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
        # By number: a key of the repository may hold any character.
        "GIT_CONFIG_COUNT": str(len(options)),
    }
    for i, option in enumerate(options):
        # The last "=" separates the value: no value here holds one.
        key, _, value = option.rpartition("=")
        environment[f"GIT_CONFIG_KEY_{i}"], environment[f"GIT_CONFIG_VALUE_{i}"] = key, value
    try:
        process = subprocess.run(
            ["git", "--no-pager", *arguments],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_GIT_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise GitError(f"git {arguments[0]}: {error}") from None
    if process.returncode not in ok:
        message = process.stderr.decode("utf-8", "replace").split("\n")[0][:300]
        raise GitError(message or f"git {arguments[0]} ended with code {process.returncode}")
    return process.stdout


def pathspec(root: Path, path: Path, magic: str = "") -> str:
    """A path below ``root``, taken as it is written. The root itself is named by nothing: a literal ``.`` matches no file."""
    name = path.resolve().relative_to(root).as_posix()
    flags = ",".join(filter(None, ("top", "literal" if name != "." else "", magic)))
    return f":({flags}){name if name != '.' else ''}"


def text_of(output: bytes) -> str:
    return output.decode("utf-8", "replace").strip()
