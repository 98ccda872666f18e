"""Counts of what became of the rows of a part of a file."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from pilothouse.domain.monitoring.rejections import RejectionReason
from pilothouse.telemetry.intake.admission import Admission


@dataclass(slots=True)
class FilePart:
    """Numbers of rows of a part of a file; ``rejected`` by reason, ``refused_rows`` are their places in the part."""

    accepted: int = 0
    known: int = 0
    rejected: Counter[RejectionReason] = field(default_factory=Counter)
    refused_rows: set[int] = field(default_factory=set)

    def add(self, other: "FilePart") -> None:
        """Add the numbers of another part of the same file."""
        self.accepted += other.accepted
        self.known += other.known
        self.rejected += other.rejected

    def note(self, admission: Admission, rows: Sequence[int]) -> None:
        """Add the rejections of an admission of these rows of the part; they have no offsets where all rows are meant."""
        for rejection in admission.rejections:
            if not rejection.kept:
                self.rejected[rejection.reason] += rejection.count
                self.refused_rows.update(rows[offset] for offset in rejection.offsets or range(len(rows)))
