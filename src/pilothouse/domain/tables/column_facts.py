"""Facts about the columns of a file, from which a first model file is guessed."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

FactKind = Literal["number", "text", "time", "other"]


@dataclass(frozen=True, slots=True)
class ColumnFacts:
    """One column. ``distinct`` counts values that are there; ``common`` are the most frequent as text, with their counts."""

    name: str
    kind: FactKind
    rows: int
    missing: int
    distinct: int
    common: tuple[tuple[str, int], ...] = ()
    whole: bool = False
    """Numbers without a fraction."""
    counts_up: bool = False
    """Whole numbers, each one more than the number in the row before."""
    spellings: tuple[tuple[str, int], ...] = ()
    """All texts of a column of numbers that the file has as texts, exactly as written, with their counts; empty where there are
    many, or where the file has a type for numbers."""

    @property
    def classes(self) -> tuple[tuple[str, int], ...]:
        """The most frequent values as a training reads classes: as texts, so that ``3.1`` and ``3.10`` are two."""
        return self.spellings or self.common

    @property
    def class_count(self) -> int:
        return len(self.spellings) or self.distinct

    @property
    def present(self) -> int:
        return self.rows - self.missing


@dataclass(frozen=True, slots=True)
class TimeFacts:
    """Times of one column, in UTC. ``percentiles`` are the 0th to the 100th."""

    name: str
    zoned: bool
    """False where the times carry no zone of their own."""
    percentiles: tuple[datetime, ...]

    @property
    def first(self) -> datetime:
        return self.percentiles[0]

    @property
    def last(self) -> datetime:
        return self.percentiles[-1]

    @property
    def span_s(self) -> float:
        """Seconds from the first time to the last."""
        return (self.last - self.first).total_seconds()


@dataclass(frozen=True, slots=True)
class FileFacts:
    """Facts about a file. Where it is large, columns were counted on ``looked_at`` rows, spread evenly over its ``rows``."""

    file: str
    rows: int
    looked_at: int
    columns: tuple[ColumnFacts, ...]
    times: tuple[TimeFacts, ...] = ()
    dialect: str = ""
    """How a text file is written, where that was found out: "semicolon, decimal comma"."""

    def column(self, name: str) -> ColumnFacts | None:
        return next((column for column in self.columns if column.name == name), None)

    def time(self, name: str) -> TimeFacts | None:
        return next((time for time in self.times if time.name == name), None)
