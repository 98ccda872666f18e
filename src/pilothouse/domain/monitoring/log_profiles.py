"""A log of predictions that is judged without being taken in: what it is named by, and what was found."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from pilothouse.domain.errors import InvalidInputError
from pilothouse.domain.monitoring.findings import DriftFinding, QualityFinding, Window
from pilothouse.domain.tables.source_url import SourceKind, has_secret, source_url

_MARKS = "*?["


@dataclass(frozen=True, slots=True)
class LogPlace:
    """Where a log is: at ``url``, or below ``root`` on this machine; ``pattern`` says which files of that folder, None all."""

    url: str = ""
    root: Path = Path()
    pattern: str | None = None


def log_place(named: str) -> LogPlace:
    """The place that a text names: a file, a folder, a pattern (``logs/2024-*/*.parquet``), or a URL of a store or web server.

    Raises InvalidInputError for another kind of source, and for a URL that carries a secret.
    """
    url = source_url(named)
    if url.kind is SourceKind.STORE:
        if has_secret(named):
            raise InvalidInputError(
                "log: the URL carries a password, key or token; expected --credentials env:NAME or file:PATH"
            )
        return LogPlace(url=named)
    if url.kind is not SourceKind.FILES:
        raise InvalidInputError(
            f"log: {url.kind} is not read as a log; expected files, a folder, a pattern, or a URL of s3, gs, az or http(s)"
        )
    parts = Path(named).parts
    first = next((i for i, part in enumerate(parts) if any(mark in part for mark in _MARKS)), None)
    if first is None:
        return LogPlace(root=Path(named))
    return LogPlace(root=Path(*parts[:first]), pattern=str(Path(*parts[first:])))


@dataclass(frozen=True, slots=True)
class LogWindow:
    """A window of a log and what was found in it."""

    window: Window
    drift: tuple[DriftFinding, ...] = ()
    quality: tuple[QualityFinding, ...] = ()

    @property
    def drifting(self) -> list[str]:
        """Features that drift."""
        return [finding.feature for finding in self.drift if finding.significant]

    @property
    def worse(self) -> list[str]:
        """Features with more missing values or new categories."""
        return [finding.feature for finding in self.quality if finding.significant]


@dataclass(frozen=True, slots=True)
class LogReport:
    """What a log says about a version on a target. ``left_out`` are rows that intake would reject, by reason; ``digest`` is the
    sha256 of the log's profiles, the same for the same rows however they are cut into files."""

    model: str
    version: int
    target: str
    rows: int
    files: int
    bytes: int
    first: datetime | None
    last: datetime | None
    digest: str
    windows: tuple[LogWindow, ...]
    minimum_rows: int
    """Rows that a verdict takes."""
    left_out: Mapping[str, int] = field(default_factory=dict)
    dialects: tuple[str, ...] = ()
    processes: int = 1
    peak_memory_mb: float = 0.0
    """Largest memory of a process that folded."""
