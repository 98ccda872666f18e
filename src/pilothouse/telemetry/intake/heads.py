"""Segments and the heads of their batches as they are written: many streams in one statement a table."""

from collections.abc import Sequence

from pilothouse.sqlite import Connection
from pilothouse.telemetry.intake.arrivals import ArrivedStream
from pilothouse.telemetry.intake.write_cache import WriteCache
from pilothouse.telemetry.rows.columns import encode_features, encode_predictions


def put_segments(
    connection: Connection, group: Sequence[ArrivedStream], now_us: int, known: WriteCache
) -> None:
    """Store each stream's batches as one segment with their heads, whose numbers are noted in the batches.

    Numbers are given out here, as SQLite gives them out: one more than the largest. The transaction holds the lock to write.
    """
    segment, head = (
        connection.execute(f"SELECT coalesce(max(id), 0) FROM {table}").fetchone()[0]  # noqa: S608 - ours
        for table in ("segments", "batches")
    )
    segments: list[tuple[object, ...]] = []
    heads: list[tuple[object, ...]] = []
    for arrived in group:
        segment += 1
        stream, given, start = arrived.stream.id, arrived.given, 0
        rows = given.predictions
        content = encode_predictions(rows), encode_features(given.features)
        segments.append((segment, stream, rows.rows, rows.first_us, rows.last_us, now_us, *content))
        for part in arrived.accepted:
            head += 1
            part.id = head
            batch, kept = part.batch, part.predictions.rows
            heads.append(
                (head, part.producer, batch.sequence, stream, part.checksum, kept, part.rejected, now_us, segment, start)
            )  # fmt: skip
            start += kept
            known.note_sequence(part.producer, batch.sequence)
    connection.executemany(
        "INSERT INTO segments (id, stream_id, rows, first_event, last_event, received, predictions, features) "
        "VALUES (?,?,?,?,?,?,?,?)",
        segments,
    )
    connection.executemany(
        "INSERT INTO batches (id, producer_id, sequence, stream_id, checksum, rows, rejected, received, segment_id, "
        "segment_start) VALUES (?,?,?,?,?,?,?,?,?,?)",
        heads,
    )
