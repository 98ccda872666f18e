"""Rows of an exported partition, compared with what is stored: their state, and which are stored no more."""

from typing import TYPE_CHECKING, Any

import numpy as np

from pilothouse.sqlite import Connection
from pilothouse.statistics.profiles.coded import CodedColumn
from pilothouse.telemetry.rows import exported_rows
from pilothouse.telemetry.rows.columns import Ints
from pilothouse.telemetry.rows.exported_rows import RowsState

if TYPE_CHECKING:
    import pyarrow as pa


def state_of_file(group: "pa.RecordBatch") -> RowsState:
    """State of rows of a partition, as of those that are stored."""
    import pyarrow as pa

    outcome = group["outcome"]
    if pa.types.is_dictionary(outcome.type):
        bits = exported_rows.outcome_bits(_coded(outcome))
    else:
        bits = exported_rows.outcome_bits(outcome.cast(pa.float64()).to_numpy(zero_copy_only=False))
    sequences, rows = group["sequence"].to_numpy(), group["batch_row"].to_numpy()
    return exported_rows.state_of(_coded(group["producer"]), sequences, rows, bits)


def _coded(column: "pa.DictionaryArray") -> CodedColumn:
    vocabulary = [*column.dictionary.to_pylist(), None]
    codes = column.indices.fill_null(len(vocabulary) - 1).to_numpy().astype(np.uint32)
    return CodedColumn(vocabulary, codes)


class Gone:
    """Which rows of a file are of batches that are stored no more, and which of these were erased."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._known: dict[tuple[str, int], Ints | None] = {}

    def look(self, group: "pa.RecordBatch") -> tuple["np.ndarray[Any, Any]", "np.ndarray[Any, Any]"]:
        """Two masks: of batches that are stored no more, and erased among these."""
        producers, sequences = _coded(group["producer"]), group["sequence"].to_numpy()
        rows = group["batch_row"].to_numpy()
        is_gone, is_erased = np.zeros(len(rows), bool), np.zeros(len(rows), bool)
        pairs = np.stack([producers.codes.astype(np.int64), sequences])
        unique, where = np.unique(pairs, axis=1, return_inverse=True)
        order = np.argsort(where.ravel(), kind="stable")
        cuts = np.cumsum(np.bincount(where.ravel(), minlength=unique.shape[1]))[:-1]
        for (code, sequence), places in zip(unique.T.tolist(), np.split(order, cuts), strict=True):
            key = (producers.vocabulary[code] or "", sequence)
            if key not in self._known:
                self._known[key] = exported_rows.gone_rows(self._connection, *key)
            erased = self._known[key]
            if erased is not None:
                is_gone[places] = True
                is_erased[places] = np.isin(rows[places], erased)
        return is_gone, is_erased
