"""Draws of a canary: which of its requests count as one observation of an arm.

A key is drawn once, whatever it sends: it counts with the first request that came of it in the whole trial, and of a request
with several rows the first one counts. A request without a key is a draw of its own. So a client that sends all its requests
under one key is one observation, and the promised rates hold however few the keys are.

Everything here that writes runs inside the caller's transaction.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from pilothouse.domain.formats.wire import PredictionBatch, pack_timings
from pilothouse.sqlite import Connection
from pilothouse.statistics.arrays import Flags
from pilothouse.telemetry.rows.columns import Ints, Predictions
from pilothouse.telemetry.rows.requests import Requests


@dataclass(frozen=True, slots=True, eq=False)
class Drawn:
    """Draws of a batch: which of its requests are one (bool[requests]), and how many of its failed requests."""

    requests: Flags
    failed: int


def drawn(connection: Connection, trial: int, batch: PredictionBatch, requests: Requests | None) -> Drawn:
    """Draws of a batch of a canary; its keys are noted. A key that is new with a request that failed counts as failed,
    whichever of its requests in the batch came first."""
    count = len(requests.rows) if requests is not None else 0
    keys = _keys(batch.draws, count)
    # how many failed is the sender's word: no array is as long as that
    is_said = len(batch.failed_draws) == 8 * batch.errors
    failed = _keys(batch.failed_draws, batch.errors if is_said else 0)
    nameless = int((failed == 0).sum()) if is_said else batch.errors
    named = np.unique(np.concatenate([keys, failed]))
    named = named[named != 0]
    fresh = _note(connection, trial, named)
    failed_keys = np.intersect1d(failed, fresh)
    first = np.zeros(count, np.bool_)
    places = np.flatnonzero(np.isin(keys, fresh) & ~np.isin(keys, failed_keys))
    first[places[np.unique(keys[places], return_index=True)[1]]] = True
    first |= keys == 0
    return Drawn(first, nameless + len(failed_keys))


def _keys(packed: bytes, count: int) -> Ints:
    """Keys of requests, 0 where one has none; all have none where the sender does not say (an older release)."""
    if len(packed) != 8 * count:
        return np.zeros(count, np.int64)
    return np.frombuffer(packed, "<i8").astype(np.int64)


def _note(connection: Connection, trial: int, keys: Ints) -> Ints:
    """Note keys of a trial; returns those that are new."""
    if not keys.size:
        return keys
    known = [
        row[0]
        for row in connection.execute(
            "SELECT key FROM trial_keys WHERE trial_id=? AND key IN (SELECT value FROM json_each(?))",
            (trial, json.dumps(keys.tolist())),
        )
    ]
    fresh: Ints = np.setdiff1d(keys, np.array(known, np.int64))
    connection.executemany(
        "INSERT INTO trial_keys (trial_id, key) VALUES (?,?)", [(trial, key) for key in fresh.tolist()]
    )
    return fresh


def note_keys(connection: Connection, trial: int, places: Mapping[int, tuple[int, int]]) -> Ints:
    """Note keys of rows of logs, each with the batch and the number of its first row; returns those that are new."""
    fresh = _note(connection, trial, np.array(sorted(places), np.int64))
    connection.executemany(
        "UPDATE trial_keys SET batch_id=?, first_row=?, rows=1 WHERE trial_id=? AND key=?",
        [(*places[key], trial, key) for key in fresh.tolist()],
    )
    return fresh


def keep_log_keys(
    connection: Connection, batch_id: int, packed: bytes, offsets: Ints, rows_sent: int
) -> None:
    """Keep the keys of a log's batch, int64 a row as it was sent, for those rows that were kept."""
    keys = _keys(packed, rows_sent)[offsets]
    if keys.any():
        connection.execute("INSERT INTO log_keys VALUES (?,?)", (batch_id, keys.astype("<i8").tobytes()))


def log_keys(connection: Connection, batch_id: int, rows: Ints) -> Ints:
    """Keys of rows of a log's batch, 0 where one has none."""
    row = connection.execute("SELECT keys FROM log_keys WHERE batch_id=?", (batch_id,)).fetchone()
    return np.frombuffer(row[0], "<i8").astype(np.int64)[rows] if row else np.zeros(len(rows), np.int64)


def note_places(connection: Connection, trial: int, batch: PredictionBatch, batch_id: int) -> None:
    """Note for each key of a batch that has no place yet in which rows its first request is: an erasure of one of them takes
    the key too."""
    packed = pack_timings(batch.requests) if isinstance(batch.requests, list) else batch.requests
    rows = np.frombuffer(packed.rows, "<i8").astype(np.int64)
    keys, first = np.unique(_keys(batch.draws, len(rows)), return_index=True)
    begins = np.cumsum(rows) - rows
    connection.executemany(
        "UPDATE trial_keys SET batch_id=?, first_row=?, rows=? WHERE trial_id=? AND key=? AND batch_id IS NULL",
        [
            (batch_id, int(begins[place]), int(rows[place]), trial, key)
            for key, place in zip(keys.tolist(), first.tolist(), strict=True)
            if key
        ],
    )


def forget_keys(connection: Connection, batch_id: int, offsets: Iterable[int]) -> None:
    """Delete the keys whose first request had one of these rows of a batch. Where the trial goes on, the next request under
    such a key is a draw again."""
    connection.execute(
        "DELETE FROM trial_keys WHERE batch_id=? AND EXISTS (SELECT 1 FROM json_each(?) "
        "WHERE value >= first_row AND value < first_row + rows)",
        (batch_id, json.dumps([int(offset) for offset in offsets])),
    )


def encode_rows(kept: Predictions, requests: Requests, first: Flags) -> bytes:
    """Bits of the kept rows of a batch that count: the first row of each request that is a draw."""
    begins = (np.cumsum(requests.rows) - requests.rows)[first]
    ends = begins + requests.rows[first]
    places = np.searchsorted(kept.offsets, begins)
    inside = places < kept.rows
    places, ends = places[inside], ends[inside]
    counted = np.zeros(kept.rows, np.bool_)
    counted[places[kept.offsets[places] < ends]] = True
    return np.packbits(counted).tobytes()


def counted_rows(bits: bytes | None, rows: int) -> Ints:
    """Numbers of the rows of a batch that count; all of one from before keys were on record."""
    if bits is None:
        return np.arange(rows)
    return np.flatnonzero(np.unpackbits(np.frombuffer(bits, np.uint8), count=rows))
