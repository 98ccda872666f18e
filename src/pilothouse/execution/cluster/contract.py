"""Contract between the process that talks to a cluster and the agent on a worker.

A step goes out as an ``Order``: its request without a path, its inputs as files by digest, and a token that names this one
attempt of it. What comes back is a ``Report``. Both travel as JSON text; bytes travel in parts. Nothing else passes.
"""

import hashlib
import json
import os
import stat
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from pilothouse.domain.errors import IntegrityError, InvalidInputError
from pilothouse.domain.identifiers import check_digest
from pilothouse.domain.jobs.jobs import StepRequest
from pilothouse.execution.cluster.launchers import Manner

PART_BYTES = 4 << 20
"""Bytes that travel at once at most: each part passes through the scheduler's memory."""
READ_BYTES = 1 << 18
"""Bytes of a log, or of progress, that come with one look at most."""
CARRIED_BYTES = 1 << 18
"""Bytes of inputs that go with an order, and of outputs that come with a report; larger ones travel in parts."""
GRACE_S = 3.0
"""Seconds between SIGTERM and SIGKILL of a step on a worker."""
STORE_MB = 20_480
"""MiB of carried files that a worker keeps unless the settings say otherwise."""
LEASE_S = 30.0
"""Seconds after which a step ends that nobody has asked about: its attempt may be somebody else's by then."""
TAILED = ("log.txt", "progress.jsonl")
"""Files of a step that are read while it runs."""
_MOST_FILES = 20_000
"""Files of one input at most."""


class NoRoomError(Exception):
    """The disk of a worker is full."""


@dataclass(frozen=True, slots=True)
class CarriedFile:
    """File of an input. ``path`` is relative to the input, with slashes; of an input that is a file it is the file's name."""

    path: str
    digest: str
    size: int


@dataclass(frozen=True, slots=True)
class CarriedInput:
    """Input of a step: one file, or a folder of them."""

    is_folder: bool
    files: tuple[CarriedFile, ...]


@dataclass(frozen=True, slots=True)
class Order:
    """One attempt of a step, as the agent takes it. ``program`` is the digest of the code that both ends must have.

    An order that names its agent is run by that one alone, once, and at once where it has all inputs. One that names none
    waits until whoever has sent it lets it go.
    """

    token: str
    topic: str
    program: str
    request: dict[str, Any]
    """The StepRequest without ``inputs`` and ``folder``, whose paths are this machine's."""
    inputs: dict[str, CarriedInput]
    manner: Manner
    agent: str = ""
    carried: dict[str, str] = field(default_factory=dict)
    """Content of small inputs that the agent is not known to have, by digest, in base64."""
    place: int | None = None
    """Number of the step among those that run on the worker's machine, by which its processors are chosen."""
    store_mb: int = STORE_MB
    """MiB of carried files that the worker may keep for later steps."""

    def to_text(self) -> str:
        return json.dumps(asdict(self))

    def sizes(self) -> dict[str, int]:
        """Size in bytes of each distinct file, by digest."""
        return {file.digest: file.size for item in self.inputs.values() for file in item.files}


@dataclass(frozen=True, slots=True)
class Report:
    """End of an attempt. ``exit`` is the StepExit as plain data; ``outputs`` names each file of the result, ``result`` is what
    else it says; None where the step left none. ``fault``: why the agent did not run it.

    What is small comes along, for each further question costs more than the messages of a whole task: ``carried`` has the
    content of outputs by digest, ``tails`` what was appended to the files of ``TAILED`` with the offset that it begins at, all
    in base64. ``is_whole``: nothing is left to ask for, and the agent forgets the attempt by itself.
    """

    token: str
    host: str
    worker: str
    environment: str
    """Digest of the worker's environment; what a step made under another one is not used again here."""
    exit: dict[str, Any] = field(default_factory=dict)
    result: dict[str, Any] | None = None
    outputs: dict[str, CarriedFile] = field(default_factory=dict)
    fault: str = ""
    carried: dict[str, str] = field(default_factory=dict)
    tails: dict[str, tuple[int, str]] = field(default_factory=dict)
    is_whole: bool = False

    def to_text(self) -> str:
        return json.dumps(asdict(self))


def order_from_text(text: str) -> Order:
    """What ``Order.to_text`` gave. Raises InvalidInputError for a path that leads out of an input, or no digest."""
    plain = json.loads(text)
    inputs = {}
    for name, item in plain.pop("inputs").items():
        if not name.isidentifier():
            raise InvalidInputError(f"the input {name[:80]!r} has no name that a step could have")
        files = tuple(CarriedFile(**file) for file in item["files"])
        for file in files:
            check_digest(file.digest)
            _check_inside(file.path)
        inputs[name] = CarriedInput(item["is_folder"], files)
    manner = plain.pop("manner")
    return Order(inputs=inputs, manner=Manner(**{**manner, "path": tuple(manner["path"])}), **plain)


def report_from_text(text: str) -> Report:
    """What ``Report.to_text`` gave. Raises InvalidInputError as ``order_from_text``, or ValueError, TypeError, KeyError."""
    plain = json.loads(text)
    outputs = {name: CarriedFile(**file) for name, file in plain.pop("outputs").items()}
    for file in outputs.values():
        check_digest(file.digest)
        _check_inside(file.path)
    return Report(outputs=outputs, **plain)


class Digests:
    """Digests of files, each hashed once as long as it stays the same file: the trials of a search share their rows."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, int, int, int], str] = {}
        self.places: dict[str, Path] = {}
        """A file with each digest."""

    def of_input(self, path: Path) -> CarriedInput:
        """Files of an input. Raises InvalidInputError (too many, none that could be carried) or OSError."""
        if not path.is_dir():
            return CarriedInput(False, (self._of_file(path, path.name),))
        files: list[CarriedFile] = []
        for file in _files_below(path):
            if len(files) == _MOST_FILES:
                raise InvalidInputError(f"{path}: has more than {_MOST_FILES:,} files to carry to a cluster")
            files.append(self._of_file(file, file.relative_to(path).as_posix()))
        return CarriedInput(True, tuple(files))

    def _of_file(self, path: Path, name: str) -> CarriedFile:
        facts = path.stat()
        if not stat.S_ISREG(facts.st_mode):
            raise InvalidInputError(f"{path}: is no plain file, and only those are carried to a cluster")
        key = (str(path), facts.st_ino, facts.st_size, facts.st_mtime_ns)
        if key not in self._known:
            with path.open("rb") as file:
                self._known[key] = hashlib.file_digest(file, "sha256").hexdigest()
        digest = self._known[key]
        self.places[digest] = path
        return CarriedFile(name, digest, facts.st_size)


def key_of(step: str, token: str) -> str:
    """Name of an attempt's task in the cluster."""
    return f"pilothouse-{step}-{token}"


def without_paths(request: StepRequest) -> dict[str, Any]:
    """A request as plain data without ``inputs``, ``folder`` and what is of a connection."""
    plain = asdict(request)
    for name in ("inputs", "folder", "network", "credentials", "secret"):
        del plain[name]
    return plain


def _files_below(folder: Path) -> Iterator[Path]:
    for root, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            yield Path(root) / name


def _check_inside(path: str) -> None:
    parts = PurePosixPath(path).parts
    if not parts or path.startswith("/") or ".." in parts or "\0" in path:
        raise IntegrityError(f"{path[:120]!r} leads out of the folder that it belongs to")
