"""``fold_log`` step: one share of a log of predictions, folded into profiles by day or hour. Runs no user code and opens no
model file; of a log on a network it copies one object at a time.

Inputs: ``specification`` (of the version's profiles), and ``log`` (a file or folder) where the log is on this machine. Options:
``share`` and ``shares``, or the share's ``parts`` (of a log of which only these are here); ``unit_us`` (a day or an hour);
``pattern`` (which files below the folder), or ``url`` and ``timeout_s``.
Output: ``profiles`` (``DatedProfiles``). Record: ``rows``, ``left_out`` by reason, ``files``, ``bytes``, ``dialects``, and
``listing``, a digest of all files of the log as this share saw them.
"""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from pilothouse.domain.errors import InvalidInputError, PilothouseError
from pilothouse.domain.jobs.jobs import StepRequest, StepResult
from pilothouse.domain.monitoring.log_shares import Part, parts_of_share
from pilothouse.domain.tables.source_url import source_url
from pilothouse.statistics.profiles.dated import DatedProfiles
from pilothouse.statistics.profiles.specification import ProfileSpecification
from pilothouse.tables.reader import SUFFIXES, log_files
from pilothouse.training.data.log_folding import Folded, fold_file
from pilothouse.training.steps.common import Report, input_path, spec_of, step, write_output

if TYPE_CHECKING:
    from pilothouse.tables.urls.secrets import Credentials

_EACH = 1_000_000
"""Rows between two reports."""


@step
def run(request: StepRequest, report: Report) -> StepResult:
    """Fold the share."""
    spec, options = spec_of(request), request.options
    specification = ProfileSpecification.from_bytes(input_path(request, "specification").read_bytes())
    folded = Folded(DatedProfiles(specification, int(options["unit_us"])))
    log: _HereLog | _StoredLog = _StoredLog(request) if "url" in options else _HereLog(request)
    listing = "\n".join(f"{name} {state}" for name, state in zip(log.names, log.states, strict=True))
    files = list(zip(log.names, log.sizes, strict=True))
    cuts = isinstance(log, _HereLog)
    if "parts" in options:
        parts = [
            Part(**{**part, "file": str(input_path(request, "log") / part["file"])})
            for part in options["parts"]
        ]
    else:
        parts = parts_of_share(files, int(options["share"]), int(options["shares"]), cuts=cuts)
    told = 0
    for number, part in enumerate(parts):
        with log.opened(part) as (path, root):
            for rows in fold_file(folded, path, root, part, spec):
                if rows - told >= _EACH:
                    told = rows
                    report(min(0.99, number / len(parts)), f"{rows:,} rows", {"rows": rows})
    return StepResult(
        ok=True,
        outputs={"profiles": write_output(request, "profiles", folded.profiles.to_bytes())},
        record={
            "rows": folded.rows,
            "left_out": folded.left_out,
            "files": len(files),
            "bytes": sum(log.sizes),
            "dialects": folded.dialects,
            "listing": hashlib.sha256(listing.encode()).hexdigest(),
        },
    )


class _HereLog:
    """A log on this machine: a file, or the tables of a folder that fit a pattern."""

    def __init__(self, request: StepRequest) -> None:
        self._root = input_path(request, "log")
        files = log_files(self._root, request.options.get("pattern"))
        stats = [file.stat() for file in files]
        self.names = [str(file) for file in files]
        self.sizes = [stat.st_size for stat in stats]
        self.states = [f"{stat.st_size} {stat.st_mtime_ns}" for stat in stats]

    @contextmanager
    def opened(self, part: Part) -> Iterator[tuple[Path, Path]]:
        """Path of a file and the root of the log."""
        yield Path(part.file), self._root


class _StoredLog:
    """A log in an object store or on a web server."""

    def __init__(self, request: StepRequest) -> None:
        from pilothouse.tables.urls.stores import StoredTables

        self._url, self._secret = str(request.options["url"]), request.secret
        with self._reaching() as credentials:
            self._tables = StoredTables(self._url, credentials, int(request.options["timeout_s"]))
        self.names, self.sizes, self.states = self._tables.names, self._tables.sizes, self._tables.states
        self._folder = Path(request.folder) / "object"

    @contextmanager
    def opened(self, part: Part) -> Iterator[tuple[Path, Path]]:
        """Path of a copy that is gone afterwards, and the root of the log: folders keep their names, which may give columns."""
        path = self._place(part.file)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with self._reaching():
                self._tables.copy(part.file, path)
            yield path, self._folder
        finally:
            path.unlink(missing_ok=True)

    @contextmanager
    def _reaching(self) -> Iterator["Credentials"]:
        from pilothouse.tables.urls.fetching import access

        try:
            with access(source_url(self._url), self._secret) as (credentials, _):
                yield credentials
        except PilothouseError as error:
            # the readers of sources speak of a model file, which does not name this log
            said = str(error).replace("data.connection.credentials", "--credentials")
            raise type(error)(
                said.replace("data.source", "log").replace("train again", "read it again")
            ) from None

    def _place(self, name: str) -> Path:
        below = [
            part
            for part in name.partition("://")[2 if "://" in name else 0].partition("?")[0].split("/")
            if part
        ]
        if ".." in below or not below or not below[-1].lower().endswith(SUFFIXES):
            raise InvalidInputError(
                f"log: the object {name[-80:]!r} has no name of a table; expected one that ends in {', '.join(SUFFIXES)}"
            )
        return self._folder.joinpath(*(part for part in below[:-1] if "=" in part), below[-1])
