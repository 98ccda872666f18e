"""State of the git repository that applied files lie in, as it is recorded with them."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pilothouse.domain.formats.safe_text import one_line

_URL = re.compile(r"^([a-z][a-z0-9+.-]*://)(?:[^/@]*@)?(.*)$", re.IGNORECASE | re.DOTALL)
_LONGEST = 500
_SHOWN_DIGITS = 12


@dataclass(frozen=True, slots=True)
class GitState:
    """Commit, branch and remote of a repository. ``dirty``: one of the files differs from the commit, or is not in it."""

    commit: str
    branch: str = ""
    """Empty where no branch is checked out."""
    dirty: bool = False
    remote: str = ""
    """URL without names, passwords and query; empty without a remote."""

    def to_plain(self) -> dict[str, Any]:
        return {"commit": self.commit, "branch": self.branch, "dirty": self.dirty, "remote": self.remote}


def git_text(plain: Mapping[str, Any]) -> str:
    """``commit 1a2b3c4d5e6f on main, with uncommitted changes, of https://host/team/models.git``; empty for none."""
    commit = str(plain.get("commit") or "")
    if not commit:
        return ""
    branch = f" on {plain['branch']}" if plain.get("branch") else ""
    dirty = ", with uncommitted changes" if plain.get("dirty") else ""
    remote = f", of {plain['remote']}" if plain.get("remote") else ""
    return f"commit {commit[:_SHOWN_DIGITS]}{branch}{dirty}{remote}"


def without_credentials(url: str) -> str:
    """URL of a remote as it may be recorded: ``https://ada:secret@host/x?token=1`` → ``https://host/x``. The user of
    ``git@host:team/x`` is no secret and stays; a helper that git would run (``ext::…``) is named and no more."""
    url = one_line(url.strip(), _LONGEST)
    if "::" in url.split("/", 1)[0]:
        return f"{url.split('::', 1)[0]}::"
    found = _URL.match(url)
    if found is None:
        return url
    scheme, rest = found[1], found[2]
    host, slash, path = rest.partition("/")
    return scheme + host.rpartition("@")[2] + slash + path.split("?", 1)[0].split("#", 1)[0]
