"""Outcomes that came before their prediction, and the counts of what became of a list of outcomes.

Everything here runs inside the caller's transaction.
"""

import hashlib
from collections import Counter
from collections.abc import Container
from dataclasses import dataclass, field

import msgspec

from pilothouse.domain.formats.wire import LabelReceipt, Outcome, PredictionBatch
from pilothouse.domain.identifiers import parse_prediction_id
from pilothouse.domain.monitoring.rejections import RejectionReason
from pilothouse.sqlite import Connection

WAITING_AT_MOST = 1_000_000
"""Outcomes that may wait for their predictions; more are counted and dropped."""


@dataclass(slots=True)
class Tally:
    """Counts of what happened to a list of outcomes. ``faults`` are (reason, example); ``reasons`` count those of lists that
    were added."""

    joined: int = 0
    waiting: int = 0
    conflicts: int = 0
    duplicates: int = 0
    faults: list[tuple[RejectionReason, str]] = field(default_factory=list)
    reasons: Counter[str] = field(default_factory=Counter)
    without: int = 0
    """Outcomes that are a word for missing, and no class of their model."""

    def add(self, other: "Tally") -> None:
        """Add the counts of another list."""
        self.joined += other.joined
        self.waiting += other.waiting
        self.conflicts += other.conflicts
        self.duplicates += other.duplicates
        self.reasons += other.reasons + other._rejected()
        self.without += other.without

    def receipt(self) -> LabelReceipt:
        """Counts as the sender is told; conflicts are counted by themselves."""
        reasons = self.reasons + self._rejected()
        return LabelReceipt(
            self.joined,
            self.waiting,
            self.conflicts,
            self.duplicates,
            reasons.total(),
            dict(reasons.most_common()),
            self.without,
        )

    def _rejected(self) -> Counter[str]:
        return Counter(str(reason) for reason, _ in self.faults if reason is not RejectionReason.CONFLICT)


def hash_id(text: str) -> int:
    """Hash of a foreign id as a signed 64-bit number, the key of the compact index."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big", signed=True)


def anything_waits(connection: Connection) -> bool:
    return bool(connection.execute("SELECT EXISTS (SELECT 1 FROM waiting_outcomes)").fetchone()[0])


def count_waiting(connection: Connection) -> int:
    """Number of outcomes that wait; far from their bound an upper bound of it, which costs no scan."""
    (span,) = connection.execute(
        "SELECT coalesce(max(rowid) - min(rowid) + 1, 0) FROM waiting_outcomes"
    ).fetchone()
    if span < WAITING_AT_MOST:
        return int(span)
    return int(connection.execute("SELECT count(*) FROM waiting_outcomes").fetchone()[0])


def waiting_outcomes(connection: Connection) -> tuple[int, int | None]:
    """Number of outcomes that wait, and when the oldest came."""
    count, oldest = connection.execute("SELECT count(*), min(received) FROM waiting_outcomes").fetchone()
    return int(count), oldest


def take_waiting(
    connection: Connection, producer: str, sequence: int, but_for: Container[int]
) -> list[tuple[str, str, str]]:
    """Take out the outcomes that wait for a batch, but for those of some offsets; returns their ids, values and targets."""
    rows = connection.execute(
        "SELECT id, value, target FROM waiting_outcomes WHERE producer=? AND sequence=?", (producer, sequence)
    ).fetchall()
    taken = [row for row in rows if offset_of(row[0]) not in but_for]
    connection.executemany("DELETE FROM waiting_outcomes WHERE id=?", [(text,) for text, *_ in taken])
    return taken


def offset_of(text: str) -> int:
    """Place of a prediction in its batch by its id; -1 for an id of another form."""
    name = parse_prediction_id(text)
    return name.offset if name else -1


def forget_waiting(connection: Connection, batch: PredictionBatch, but_for: Container[int]) -> Tally:
    """Drop the outcomes that waited for a batch of which no row was taken, but for those of some offsets: they will never
    find their predictions."""
    dropped = take_waiting(connection, batch.producer, batch.sequence, but_for)
    return Tally(faults=[(RejectionReason.NO_SUCH_ROW, text) for text, *_ in dropped])


def put_to_wait(
    connection: Connection,
    outcome: Outcome,
    number: int,
    producer: str,
    sequence: int,
    tally: Tally,
    now_us: int,
    target: str | None,
) -> None:
    value = msgspec.json.encode(outcome.value).decode()
    row = connection.execute(
        "SELECT value FROM waiting_outcomes WHERE id=?", (outcome.prediction_id,)
    ).fetchone()
    if row is None:
        connection.execute(
            "INSERT INTO waiting_outcomes VALUES (?,?,?,?,?,?,?)",
            (outcome.prediction_id, number, producer, sequence, value, now_us, target or ""),
        )
        tally.waiting += 1
    elif row[0] == value:
        tally.duplicates += 1
    else:
        tally.conflicts += 1
        tally.faults.append(
            (RejectionReason.CONFLICT, f"{outcome.prediction_id}: {row[0]} is waiting, then {value} came")
        )
