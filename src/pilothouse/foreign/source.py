"""What an import asks of another registry, whichever way it is read."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from pilothouse.domain.imported.records import ForeignModel, ForeignRun, ForeignVersion

PAGE = 500
"""Versions that are read, and recorded, together."""

HELD_POINTS = 1_000_000
"""Points of curves that are read before those that were are recorded; of one run as many as it has."""

Chunks = Iterator[bytes]


@dataclass(frozen=True, slots=True)
class FoundFile:
    """File of a version: its path there, its size where that is known, and how its bytes are read."""

    path: str
    size: int | None
    chunks: Callable[[], Chunks]


class Source(Protocol):
    """Registry of others. Its methods raise PilothouseError, and are called from one thread but for ``files``."""

    origin: str
    """Where it is, without a password."""

    def count(self, names: Sequence[str]) -> int | None:
        """Versions of the named models, of all where none is named; None where it does not say beforehand."""

    def models(self, names: Sequence[str]) -> Iterator[list[ForeignModel]]:
        """Registered models, page by page."""

    def versions(self, names: Sequence[str]) -> Iterator[list[ForeignVersion]]:
        """Versions, page by page, in the order of their models and numbers."""

    def runs(self, ids: Sequence[str], without_curves: frozenset[str]) -> Iterator[list[ForeignRun]]:
        """Runs of these ids that exist, deleted ones among them, in parts of about ``HELD_POINTS`` at most; curves but for
        those of which they are known."""

    def changed_runs(self, ids: Sequence[str], since_ms: int) -> set[str]:
        """Those of these runs, which had all ended, that may say something else than at a time in milliseconds."""

    def run_ids(self) -> Iterator[list[str]]:
        """Ids of all runs, deleted ones among them, page by page."""

    def files(self, version: ForeignVersion) -> Iterator[FoundFile]:
        """Files of a version. Raises NotFoundError or UnavailableError where they cannot be reached. Any thread may call it."""

    def close(self) -> None:
        """Let go of files and connections."""
