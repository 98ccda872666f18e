"""Columns of pairs and of their outcomes as they are stored: frames of arrays, never a row per pair."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from pilothouse.domain.errors import IntegrityError
from pilothouse.statistics.encoding import pack, unpack
from pilothouse.telemetry.rows.columns import Floats, Ints

_PAIRS, _OUTCOMES = "p", "o"
"""Kinds of frames."""
NO_LABEL = -1
"""Number of a label that a regression does not have."""


@dataclass(frozen=True, slots=True, eq=False)
class StoredPairs:
    """Pairs of a segment. Arrays of n rows: event times in microseconds, scores and class numbers of both versions (empty for a
    regression); arrays of k requests, whose rows are consecutive: ``producers`` (numbers of the table), ``sequences`` and
    ``offsets`` of the champion's ids, ``rows``, and the calls' processor time in microseconds (0: not known)."""

    times: Ints
    champion_scores: Floats
    challenger_scores: Floats
    champion_labels: Ints
    challenger_labels: Ints
    producers: Ints
    sequences: Ints
    offsets: Ints
    rows: Ints
    champion_us: Ints
    challenger_us: Ints

    @property
    def starts(self) -> Ints:
        """Number of the first row of each request."""
        return np.cumsum(self.rows) - self.rows

    def rows_of(self, producer: int, sequence: int) -> tuple[Ints, Ints]:
        """Rows that are pairs of one batch of the champion's, and their places in it."""
        own = np.flatnonzero((self.producers == producer) & (self.sequences == sequence))
        rows = self.rows[own]
        within = np.arange(int(rows.sum())) - np.repeat(np.cumsum(rows) - rows, rows)
        return np.repeat(self.starts[own], rows) + within, np.repeat(self.offsets[own], rows) + within


def encode_pairs(pairs: StoredPairs) -> bytes:
    """Bytes of the pairs of a segment."""
    arrays: dict[str, Any] = {name: getattr(pairs, name) for name in StoredPairs.__slots__}
    arrays["times"] = np.diff(pairs.times, prepend=0)
    return pack(_PAIRS, {}, arrays)


def decode_pairs(data: bytes) -> StoredPairs:
    """Pairs from the bytes that ``encode_pairs`` wrote. Raises IntegrityError."""
    try:
        _, arrays = unpack(_PAIRS, data)
        read: dict[str, Any] = {
            name: np.asarray(arrays[name], np.float64 if name.endswith("scores") else np.int64)
            for name in StoredPairs.__slots__
        }
        return StoredPairs(**{**read, "times": np.cumsum(read["times"])})
    except (KeyError, TypeError, ValueError) as error:
        raise IntegrityError(
            f"stored pairs are damaged ({error!r}): restore telemetry.db from a backup"
        ) from None


def encode_outcomes(rows: Ints, outcomes: Ints | Floats) -> bytes:
    """Bytes of rows and their outcomes: class numbers, or values."""
    return pack(_OUTCOMES, {}, {"rows": rows, "outcomes": outcomes})


def decode_outcomes(data: bytes) -> tuple[Ints, Floats]:
    """Rows and their outcomes, class numbers as floats too. Raises IntegrityError."""
    try:
        _, arrays = unpack(_OUTCOMES, data)
        return np.asarray(arrays["rows"], np.int64), np.asarray(arrays["outcomes"], np.float64)
    except (KeyError, TypeError, ValueError) as error:
        raise IntegrityError(
            f"stored outcomes are damaged ({error!r}): restore telemetry.db from a backup"
        ) from None
