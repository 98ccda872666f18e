"""How a batch lies in the database: columns one after another under zstd, never a row per event.

Two parts, because outcomes need only the first: *predictions* (event times, scores, labels, which rows of the batch
were kept, foreign ids, requests) and *features*.
"""

from dataclasses import dataclass, field
from typing import Any

import msgspec
import numpy as np
import zstandard
from numpy.typing import NDArray

from pilothouse.domain.errors import IntegrityError
from pilothouse.domain.wire import RequestTiming

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
AnyTruth = NDArray[Any]
"""uint16 class numbers, or float64 values."""

_LEVEL = 3
_LARGEST = 1 << 30


@dataclass(frozen=True, slots=True, eq=False)
class Predictions:
    """The rows of a batch that were kept. Arrays have one entry a row.

    ``offsets`` are their places in the batch as it was sent; ``labels`` is empty for a regression; ``ids`` is empty
    unless the predictions were made elsewhere.
    """

    times: Ints
    scores: Floats
    offsets: Ints
    labels: list[str]
    ids: list[str] = field(default_factory=list)
    requests: list[RequestTiming] = field(default_factory=list)

    @property
    def rows(self) -> int:
        """How many rows were kept."""
        return len(self.times)


@dataclass(frozen=True, slots=True, eq=False)
class Features:
    """Feature columns of the kept rows: float64 arrays (NaN where missing) and lists of texts (None where missing)."""

    numeric: dict[str, Floats]
    categorical: dict[str, list[str | None]]


class _Head(msgspec.Struct, array_like=True):
    times: bytes
    scores: bytes
    offsets: bytes
    """Empty where every row was kept."""
    labels: list[str]
    ids: list[str]
    requests: list[tuple[int, int, int]]


class _Body(msgspec.Struct, array_like=True):
    numeric_names: list[str]
    numbers: bytes
    categorical: dict[str, list[str | None]]


_ENCODER = msgspec.msgpack.Encoder()
_HEADS = msgspec.msgpack.Decoder(_Head)
_BODIES = msgspec.msgpack.Decoder(_Body)


def encode_predictions(predictions: Predictions) -> bytes:
    """Compact bytes of the predictions of a batch."""
    whole = np.array_equal(predictions.offsets, np.arange(predictions.rows))
    return _compress(
        _Head(
            np.diff(predictions.times, prepend=0).astype("<i8").tobytes(),
            predictions.scores.astype("<f8").tobytes(),
            b"" if whole else predictions.offsets.astype("<u4").tobytes(),
            predictions.labels,
            predictions.ids,
            [(r.rows, r.latency_us, r.at_us) for r in predictions.requests],
        )
    )


def decode_predictions(data: bytes) -> Predictions:
    """Read what ``encode_predictions`` wrote. Raises IntegrityError."""
    try:
        head = _HEADS.decode(_expand(data))
        times = np.cumsum(np.frombuffer(head.times, "<i8"))
        offsets = np.frombuffer(head.offsets, "<u4") if head.offsets else np.arange(len(times))
        return Predictions(
            times.astype(np.int64),
            np.frombuffer(head.scores, "<f8").astype(np.float64),
            offsets.astype(np.int64),
            head.labels,
            head.ids,
            [RequestTiming(*request) for request in head.requests],
        )
    except (zstandard.ZstdError, msgspec.MsgspecError, ValueError) as error:
        raise IntegrityError(
            f"a stored batch is damaged ({error}): restore telemetry.db from a backup"
        ) from None


def encode_features(features: Features) -> bytes:
    """Compact bytes of the feature columns of a batch."""
    numbers = b"".join(column.astype("<f8").tobytes() for column in features.numeric.values())
    return _compress(_Body(list(features.numeric), numbers, features.categorical))


def decode_features(data: bytes) -> Features:
    """Read what ``encode_features`` wrote. Raises IntegrityError."""
    try:
        body = _BODIES.decode(_expand(data))
        numbers = np.frombuffer(body.numbers, "<f8").astype(np.float64)
        table = numbers.reshape(len(body.numeric_names), -1) if body.numeric_names else numbers.reshape(0, 0)
        return Features(dict(zip(body.numeric_names, table, strict=True)), body.categorical)
    except (zstandard.ZstdError, msgspec.MsgspecError, ValueError) as error:
        raise IntegrityError(
            f"a stored batch is damaged ({error}): restore telemetry.db from a backup"
        ) from None


def pack(value: object) -> bytes:
    """Any plain value under zstd, for what is kept only to be looked at."""
    return _compress(value)


def _compress(value: object) -> bytes:
    return zstandard.ZstdCompressor(level=_LEVEL).compress(_ENCODER.encode(value))


def _expand(data: bytes) -> bytes:
    return zstandard.ZstdDecompressor().decompress(data, max_output_size=_LARGEST)
