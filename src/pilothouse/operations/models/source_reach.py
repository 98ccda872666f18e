"""Sources by URL, read or looked at by a process of its own: no driver runs where a database is open."""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from pilothouse.domain.errors import InvalidInputError, NotFoundError, PilothouseError, UnavailableError
from pilothouse.domain.models.model_spec import ConnectionSpec, ModelSpec
from pilothouse.domain.tables.source_url import source_url
from pilothouse.domain.tables.table_form import TableForm, training_form
from pilothouse.system.credentials import read_credentials

LOOK_S = 30
"""Seconds that a look may take."""
_MODULE = "pilothouse.training.data.reach_source"
_TO_START_S = 60
_KINDS: Mapping[str, type[PilothouseError]] = {
    one.__name__: one for one in (InvalidInputError, NotFoundError, UnavailableError)
}
_KEPT = ("PATH", "LD_LIBRARY_PATH", "LANG", "LC_ALL", "LC_CTYPE", "TZ")
"""What of the environment that process has: neither keys of this machine nor other sources' secrets."""


@dataclass(frozen=True, slots=True)
class Reached:
    """How a source by URL is reached: as ``data.query`` and ``data.connection`` of a model file."""

    query: str | None = None
    credentials: str | None = None
    version: int | str | None = None
    timeout_s: int = 600
    allow: tuple[str, ...] | None = None
    """Places on private networks that it may lead to; None: every one, as whoever names it here may."""
    later: tuple[str, ...] = ()
    """Those that a file would allow which is not in force."""


@dataclass(frozen=True, slots=True)
class Places:
    """Places on private networks that sources may lead to, and those that a file would allow which is not in force."""

    allowed: tuple[str, ...]
    later: tuple[str, ...] = ()


class Reaching:
    """A process that reads a source or looks at it. Its secret goes by a pipe; its files are gone once it has answered."""

    def __init__(
        self,
        source: str,
        location: Path | None,
        form: TableForm,
        reached: Reached,
        *,
        act: Literal["rows", "columns", "mark"],
        timestamp: str = "",
    ) -> None:
        """Start it. ``location``: of a source on this machine. Raises NotFoundError or InvalidInputError (credentials)."""
        secret = read_credentials(reached.credentials).decode() if reached.credentials else ""
        self._folder = tempfile.TemporaryDirectory(prefix="pilothouse-")
        self._until = time.monotonic() + reached.timeout_s + _TO_START_S
        request = {
            "act": act,
            "source": source,
            "location": str(location or ""),
            "timestamp": timestamp,
            "folder": self._folder.name,
            "query": reached.query,
            "version": reached.version,
            "timeout_s": reached.timeout_s,
            "allow": reached.allow,
            "later": reached.later,
            "secret": secret,
            "form": {
                "kinds": {name: kind.value for name, kind in form.kinds.items()},
                "missing": form.missing,
                "csv": asdict(form.csv),
                "timezone": form.timezone,
            },
        }
        environment = {name: os.environ[name] for name in _KEPT if name in os.environ}
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-m", _MODULE],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=self._folder.name,
            env={**environment, "HOME": self._folder.name, "TMPDIR": self._folder.name},
        )
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(request))
        self._process.stdin.close()
        self._process.stdin = None

    def ended(self) -> bool:
        """True once there is an answer, or the time for one is over."""
        return self._process.poll() is not None or time.monotonic() > self._until

    def answer(self) -> dict[str, Any]:
        """Wait for the answer. Raises InvalidInputError, NotFoundError or UnavailableError, in one line."""
        try:
            said, complaint = self._process.communicate(timeout=max(0.1, self._until - time.monotonic()))
        except subprocess.TimeoutExpired:
            raise UnavailableError("data.source: gave no answer in its time") from None
        try:
            answer: dict[str, Any] = json.loads(said)
        except ValueError:
            last = (complaint.strip().splitlines() or ["it was ended"])[-1]
            raise UnavailableError(f"data.source: the process that reads it failed: {last[:200]}") from None
        if "error" in answer:
            raise _KINDS.get(answer["kind"], InvalidInputError)(answer["error"])
        return answer

    def close(self) -> None:
        """End it, and remove its files."""
        if self._process.poll() is None:
            self._process.kill()
        self._process.communicate()
        self._folder.cleanup()


def look_at(spec: ModelSpec, path: Path | None, places: Places, *, mark: bool = False) -> Reaching:
    """A look at a model's source by URL: at its columns, or at the mark that changes with its rows. Raises as ``Reaching``."""
    connection = spec.data.connection or ConnectionSpec()
    form = training_form(spec)
    reached = Reached(
        spec.data.query,
        connection.credentials,
        connection.version,
        min(LOOK_S, connection.timeout),
        places.allowed,
        places.later,
    )
    if mark:
        return Reaching(spec.data.source, path, form, reached, act="mark", timestamp=spec.data.timestamp)
    return Reaching(spec.data.source, path, form, reached, act="columns")


def is_by_url(named: str) -> bool:
    """True for what is no file of this machine."""
    return source_url(named).is_fetched
