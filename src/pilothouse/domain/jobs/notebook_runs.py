"""Notebook runs: what a program of a person records about work of its own, entry by entry, through the Python package.

A notebook run is a record and nothing else. It makes no version and passes no gate, so nothing of it can be requested or
deployed: a version comes from a training, which a job repeats from recorded rows, code and parameters.
"""

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from pilothouse.domain.errors import InvalidInputError
from pilothouse.domain.formats.safe_text import one_line

MOST_IN_ENTRY = 10_000
"""Names of one entry at most."""
MOST_ENTRIES = 1_000_000
"""Entries of one run at most."""
LONGEST_NAME = 250
LONGEST_TEXT = 8_000
"""Characters of a parameter, a tag or an error."""
LARGEST_ARTIFACT = 1 << 30
"""Bytes of one artifact."""
_REFERENCE = re.compile(r"runs:/([0-9]{1,18})")
_SPECIAL = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}


class RunState(StrEnum):
    """State of a notebook run."""

    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    LOST = "lost"
    """Its process has ended without saying how the run ended. No row says so: it follows from the process."""


class EntryKind(StrEnum):
    """What an entry of a notebook run adds."""

    PARAMETERS = "parameters"
    METRICS = "metrics"
    TAGS = "tags"
    ARTIFACT = "artifact"
    DATA = "data"
    CODE = "code"


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry, as it was acknowledged. ``body`` is plain JSON data: names to values (parameters, tags), names to numbers with
    a ``step`` beside them (metrics), the facts of an artifact, of data, or of the git repository."""

    kind: EntryKind
    body: dict[str, Any]
    recorded_at: datetime


@dataclass(frozen=True, slots=True)
class Point:
    """One value of a metric. ``step`` is None where none was given; the value may be NaN or infinite."""

    value: float
    step: int | None
    at: datetime


@dataclass(frozen=True, slots=True)
class RunArtifact:
    """File of a notebook run, kept by its digest."""

    name: str
    digest: str
    bytes: int


@dataclass(frozen=True, slots=True)
class RunData:
    """Rows that a notebook run was about: their digest, number and columns with types. The rows themselves are not kept."""

    name: str
    digest: str
    rows: int
    columns: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Content:
    """All entries of a notebook run, put together: of a tag the newest value, of a metric every one in its order."""

    parameters: dict[str, str] = field(default_factory=dict)
    metrics: dict[str, tuple[Point, ...]] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    artifacts: tuple[RunArtifact, ...] = ()
    data: tuple[RunData, ...] = ()
    code: dict[str, Any] = field(default_factory=dict)

    @property
    def last(self) -> dict[str, float]:
        """The newest value of each metric."""
        return {name: points[-1].value for name, points in self.metrics.items()}


@dataclass(frozen=True, slots=True)
class NotebookRun:
    """A notebook run. ``content`` holds its entries; in a list the newest values alone."""

    id: int
    model: str
    name: str
    started_by: str
    state: RunState
    started_at: datetime
    ended_at: datetime | None
    error: str
    environment: dict[str, Any]
    entries: int
    digest: str
    """sha256 over the entries, from the end of the run on, as the audit log has it; empty before."""
    content: Content = field(default_factory=Content)

    @property
    def uri(self) -> str:
        """``runs:/12``."""
        return run_uri(self.id)


def run_uri(number: int) -> str:
    """``runs:/12``, the way a notebook run is written everywhere."""
    return f"runs:/{number}"


def parse_run(text: str) -> int | None:
    """Number of the notebook run that ``runs:/12`` names; None for a text of another form."""
    match = _REFERENCE.fullmatch(text.strip())
    return int(match[1]) if match else None


def checked_name(name: object, what: str) -> str:
    """A name of a parameter, metric, tag or artifact. Raises InvalidInputError."""
    if (
        not isinstance(name, str)
        or not name.strip()
        or len(name) > LONGEST_NAME
        or any(ord(c) < 32 for c in name)
    ):
        shown = one_line(repr(name), 60)
        raise InvalidInputError(
            f"{shown} cannot name a {what}: expected a text of 1 to {LONGEST_NAME} characters in one line"
        )
    _check_unicode(name, what)
    return name


def texts(given: Mapping[str, object], what: str) -> dict[str, str]:
    """Names and values of parameters or tags, as texts. Raises InvalidInputError."""
    _check_many(given, what)
    found = {}
    for name, value in given.items():
        text = value if isinstance(value, str) else str(value)
        if len(text) > LONGEST_TEXT:
            raise InvalidInputError(
                f"the {what} {one_line(str(name), 60)!r} has {len(text):,} characters; expected {LONGEST_TEXT:,} at most: "
                "log it as an artifact"
            )
        found[checked_name(name, what)] = _check_unicode(text, what)
    return found


def numbers(given: Mapping[str, object]) -> dict[str, float | str]:
    """Names and values of metrics as JSON has them: NaN and the infinities are the words ``nan``, ``inf`` and ``-inf``. Raises
    InvalidInputError."""
    _check_many(given, "metric")
    found: dict[str, float | str] = {}
    for name, value in given.items():
        checked_name(name, "metric")
        if isinstance(value, str | bytes):
            raise InvalidInputError(
                f"the metric {one_line(name, 60)!r}: found the text {one_line(repr(value), 60)}; expected a number"
            )
        try:
            number = float(value)  # type: ignore[arg-type]
        except (TypeError, ValueError, OverflowError):
            raise InvalidInputError(
                f"the metric {one_line(name, 60)!r}: found {one_line(repr(value), 60)}; expected a number"
            ) from None
        found[name] = number if math.isfinite(number) else str(number)
    return found


def checked_step(step: object) -> int | None:
    """A step of a metric: None, or a whole number from 0 on. Raises InvalidInputError."""
    if step is None:
        return None
    if isinstance(step, bool) or not isinstance(step, int) or not 0 <= step < 2**53:
        raise InvalidInputError(
            f"step: found {one_line(repr(step), 60)}; expected a whole number from 0 on, or none"
        )
    return step


def _check_many(given: Mapping[str, object], what: str) -> None:
    if not 0 < len(given) <= MOST_IN_ENTRY:
        raise InvalidInputError(f"found {len(given):,} {what}s in one call; expected 1 to {MOST_IN_ENTRY:,}")


def _check_unicode(text: str, what: str) -> str:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise InvalidInputError(f"the {what} {one_line(text, 60)!r} is not valid Unicode") from None
    return text


def content_of(entries: Iterable[Entry]) -> Content:
    """Entries of a run, in their order, put together."""
    parameters: dict[str, str] = {}
    points: dict[str, list[Point]] = {}
    tags: dict[str, str] = {}
    artifacts: dict[str, RunArtifact] = {}
    data: list[RunData] = []
    code: dict[str, Any] = {}
    for entry in entries:
        body = entry.body
        match entry.kind:
            case EntryKind.PARAMETERS:
                parameters |= body
            case EntryKind.TAGS:
                tags |= body
            case EntryKind.METRICS:
                for name, value in body["values"].items():
                    point = Point(as_number(value), body["step"], entry.recorded_at)
                    points.setdefault(name, []).append(point)
            case EntryKind.ARTIFACT:
                artifacts[body["name"]] = RunArtifact(**body)
            case EntryKind.DATA:
                columns = tuple((name, kind) for name, kind in body["columns"])
                data.append(RunData(body["name"], body["digest"], body["rows"], columns))
            case EntryKind.CODE:
                code |= body
    metrics = {name: tuple(of_name) for name, of_name in points.items()}
    return Content(parameters, metrics, tags, tuple(artifacts.values()), tuple(data), code)


def as_number(value: object) -> float:
    """A metric's value from JSON."""
    return _SPECIAL[value] if isinstance(value, str) else float(value)  # type: ignore[arg-type]


def compared(runs: Iterable[NotebookRun]) -> list[tuple[str, str, tuple[str | float | None, ...]]]:
    """(``parameter``, ``metric`` or ``data``; name; value of each run, None where it has none), in the order of their names.

    A metric's value is its newest one; of data the digest.
    """
    found = list(runs)
    kinds: list[tuple[str, list[Mapping[str, str | float]]]] = [
        ("parameter", [run.content.parameters for run in found]),
        ("metric", [run.content.last for run in found]),
        ("data", [{one.name: one.digest for one in run.content.data} for run in found]),
    ]
    return [
        (kind, name, tuple(values.get(name) for values in of_runs))
        for kind, of_runs in kinds
        for name in sorted({name for values in of_runs for name in values})
    ]
