"""Rejected rows that another clock may take: kept within a bound, the newest of them, to be judged again.

The bound is one of all models and targets together. Ids of rejected rows are kept too, so that outcomes that come after them
do not wait; those that waited before go on waiting for rows that are kept. Functions take a connection.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import msgspec

from pilothouse.domain.formats.wire import PredictionBatch
from pilothouse.domain.identifiers import PredictionId
from pilothouse.domain.monitoring.rejections import RejectionReason
from pilothouse.sqlite import Connection
from pilothouse.sqlite.inserts import insert
from pilothouse.statistics.encoding import compress, expand
from pilothouse.telemetry.intake.admission import BY_THE_CLOCK, Rejection, VersionFacts
from pilothouse.telemetry.intake.retakes import cut
from pilothouse.telemetry.outcomes.waiting_outcomes import Tally, anything_waits, hash_id

OF_A_FILE = "file-"
"""Begin of the name of a producer whose batches are the parts of a file."""
KEPT_BYTES = 64 << 20
"""Bytes of kept rows at most; the oldest go first."""
_KEPT_AT_MOST = 10_000
"""Rejections whose rows are kept at most."""
_ID_IS_ANOTHERS = (RejectionReason.TAKEN_ID, RejectionReason.ERASED)
"""Reasons that leave outcomes to the row that had the id before."""
_LOOK_EVERY = 64
"""Rejections after which the bounds are looked at."""
_IDS_AT_MOST = 1_000_000
"""Ids of rejected rows that are kept at most."""
_LARGEST = 1 << 30
_LEVEL = 3


class _Data(msgspec.Struct, array_like=True):
    offsets: list[int]
    batch: PredictionBatch
    values: list[float | str | None]


@dataclass(frozen=True, slots=True)
class KeptRows:
    """Rows of one rejection; ``batch`` holds them alone, ``offsets`` are their places in the batch as it came.

    ``values`` are outcomes that came with them; empty where none did.
    """

    id: int
    offsets: list[int]
    batch: PredictionBatch
    values: list[float | str | None]

    def ids(self) -> list[str]:
        """Prediction id of each row."""
        if self.batch.foreign_ids:
            return self.batch.foreign_ids
        return [
            str(PredictionId(self.batch.producer, self.batch.sequence, offset)) for offset in self.offsets
        ]


def keep(
    connection: Connection,
    batch: PredictionBatch,
    rejections: Sequence[Rejection],
    facts: VersionFacts,
    values: Sequence[float | str | None],
    now_us: int,
) -> Tally:
    """Keep the rows of a batch that were rejected by the clock, and the ids of all that were rejected. Returns the outcomes
    that waited for the others, which are dropped."""
    dropped = Tally()
    for rejection in rejections:
        if not rejection.offsets:
            continue
        if batch.foreign_ids and rejection.reason not in _ID_IS_ANOTHERS:
            ids = [batch.foreign_ids[row] for row in rejection.offsets]
            _keep_ids(connection, ids)
            if rejection.reason not in BY_THE_CLOCK:
                dropped.faults += [
                    (RejectionReason.NO_SUCH_ROW, text) for text in _drop_waiting(connection, ids)
                ]
        if rejection.reason in BY_THE_CLOCK:
            rows = list(rejection.offsets)
            part = cut(_known_columns(batch, facts), rows)
            _put(
                connection,
                rejection.reason,
                KeptRows(0, rows, part, [values[row] for row in rows] if values else []),
                now_us,
            )
    return dropped


def _known_columns(batch: PredictionBatch, facts: VersionFacts) -> PredictionBatch:
    known = set(facts.specification.by_name)
    return replace(
        batch,
        numeric={name: column for name, column in batch.numeric.items() if name in known},
        categorical={name: column for name, column in batch.categorical.items() if name in known},
        labels=batch.labels if facts.specification.classes else [],
    )


def _keep_ids(connection: Connection, ids: list[str]) -> None:
    connection.executemany("INSERT INTO rejected_ids (hash) VALUES (?)", [(hash_id(text),) for text in ids])
    connection.execute(
        "DELETE FROM rejected_ids WHERE id <= (SELECT max(id) FROM rejected_ids) - ?", (_IDS_AT_MOST,)
    )


def _drop_waiting(connection: Connection, ids: list[str]) -> list[str]:
    """Drop the outcomes that wait for rows of these ids; returns those that did."""
    if not anything_waits(connection):
        return []
    statement = "DELETE FROM waiting_outcomes WHERE hash=? AND id=?"
    return [text for text in ids if connection.execute(statement, (hash_id(text), text)).rowcount]


def _put(connection: Connection, reason: RejectionReason, kept: KeptRows, now_us: int) -> None:
    batch = kept.batch
    data = compress(msgspec.msgpack.encode(_Data(kept.offsets, batch, kept.values)), _LEVEL)
    columns: dict[str, object] = {
        "received": now_us,
        "reason": str(reason),
        "model": batch.model,
        "version": batch.version,
        "target": batch.target,
        "producer": batch.producer,
        "sequence": batch.sequence,
        "rows": batch.rows,
        "bytes": len(data),
        "data": data,
    }
    number = insert(connection, "kept_rejections", columns)
    if number % _LOOK_EVERY and len(data) < KEPT_BYTES // _LOOK_EVERY:
        return
    connection.execute(
        "DELETE FROM kept_rejections WHERE id <= (SELECT max(id) FROM (SELECT id, count(*) OVER newest AS number, "
        "sum(bytes) OVER newest AS total FROM kept_rejections WINDOW newest AS (ORDER BY id DESC)) "
        "WHERE number > ? OR total > ?)",
        (_KEPT_AT_MOST, KEPT_BYTES),
    )


def count(connection: Connection) -> int:
    """Number of rows that are kept."""
    return int(connection.execute("SELECT coalesce(sum(rows), 0) FROM kept_rejections").fetchone()[0])


def deployments(connection: Connection) -> list[tuple[str, str]]:
    """Models and targets of which rows are kept."""
    rows = connection.execute("SELECT DISTINCT model, target FROM kept_rejections ORDER BY model, target")
    return rows.fetchall()


def numbers_of(connection: Connection, model: str, target: str) -> list[int]:
    """Numbers of the rejections of a model on a target whose rows are kept, in the order in which they came."""
    rows = connection.execute(
        "SELECT id FROM kept_rejections WHERE model=? AND target=? ORDER BY id", (model, target)
    )
    return [int(number) for (number,) in rows]


def rows_of_file(connection: Connection, producer: str) -> int:
    """Rows of the file whose parts are a producer's batches; 0 for the batches of a serving process, which never end."""
    if not producer.startswith(OF_A_FILE):
        return 0
    (rows,) = connection.execute(
        "SELECT coalesce(sum(b.rows + b.rejected), 0) FROM batches b JOIN producers p ON p.id = b.producer_id WHERE p.name=?",
        (producer,),
    ).fetchone()
    return int(rows)


def read(connection: Connection, number: int) -> KeptRows | None:
    """Kept rows of a rejection; None where they have gone meanwhile."""
    row = connection.execute("SELECT data FROM kept_rejections WHERE id=?", (number,)).fetchone()
    if row is None:
        return None
    stored = msgspec.msgpack.decode(expand(row[0], _LARGEST), type=_Data)
    return KeptRows(number, stored.offsets, stored.batch, stored.values)


def settle(connection: Connection, kept: KeptRows, left: Sequence[int], now_us: int) -> None:
    """Keep only some rows of a rejection, which are still rejected; none where all are taken."""
    row = connection.execute("DELETE FROM kept_rejections WHERE id=? RETURNING reason", (kept.id,)).fetchone()
    if row is None or not left:
        return
    values = [kept.values[i] for i in left] if kept.values else []
    rest = KeptRows(0, [kept.offsets[i] for i in left], cut(kept.batch, left), values)
    _put(connection, RejectionReason(row[0]), rest, now_us)


def drop_of_batch(connection: Connection, producer: str, sequence: int) -> None:
    """Drop the kept rows of a batch all of which is taken now."""
    connection.execute("DELETE FROM kept_rejections WHERE producer=? AND sequence=?", (producer, sequence))


def drop_old(connection: Connection, received_before_us: int) -> int:
    """Drop what was received before that time; returns the rejections."""
    return int(
        connection.execute("DELETE FROM kept_rejections WHERE received<?", (received_before_us,)).rowcount
    )
