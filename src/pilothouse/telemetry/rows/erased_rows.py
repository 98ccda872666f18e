"""Rows that were erased, by batch and offset: neither they nor their outcomes are taken in again. Functions take a
connection."""

from collections.abc import Iterable

import numpy as np

from pilothouse.sqlite import Connection
from pilothouse.telemetry.rows.columns import Ints


def of_batch(connection: Connection, batch_id: int) -> Ints:
    """Offsets of the erased rows of a batch, in order."""
    row = connection.execute("SELECT offsets FROM erased_rows WHERE batch_id=?", (batch_id,)).fetchone()
    return np.frombuffer(row[0], "<i8").astype(np.int64) if row else np.empty(0, np.int64)


def is_erased(connection: Connection, batch_id: int, offset: int) -> bool:
    """True where the row of a batch was erased."""
    return bool((of_batch(connection, batch_id) == offset).any())


def add(connection: Connection, batch_id: int, offsets: Iterable[int]) -> None:
    """Note that rows of a batch are erased."""
    all_of_them = np.union1d(of_batch(connection, batch_id), np.fromiter(offsets, np.int64))
    connection.execute(
        "INSERT OR REPLACE INTO erased_rows VALUES (?,?)", (batch_id, all_of_them.astype("<i8").tobytes())
    )
