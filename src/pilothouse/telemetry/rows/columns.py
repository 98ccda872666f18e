"""Columns of stored rows: one after another under zstd, never a row per event.

A *segment* holds the rows of one or more batches of a stream. It has two parts, because outcomes need only the first:
*predictions* (event times, scores, labels, which rows of each batch were kept, foreign ids, requests) and *features*.
Values come back exactly as they were.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import msgspec
import numpy as np
import zstandard
from numpy.typing import NDArray

from pilothouse.domain.errors import IntegrityError
from pilothouse.domain.formats.wire import PackedTimings, RequestTiming, code_texts, pack_timings
from pilothouse.statistics.encoding import compress, expand, with_checksum, without_checksum
from pilothouse.statistics.profiles.coded import CodedColumn, concatenate

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
AnyOutcomes = NDArray[Any]
"""Outcomes of rows: uint16 class numbers, or float64 values."""

MISSING_TIME = -(1 << 63)
"""Event time of a row whose log gives none."""

_FLOAT = np.dtype("<f8")
_LEVEL = 1
"""zstd level of new segments: level 3 takes twice as long for 3 % fewer bytes."""
CLOSED_LEVEL = 9
"""zstd level of merged segments, which will not be written again soon."""
_LARGEST = 1 << 30
"""Bytes to which a stored part may unpack."""
_MAGIC = b"PHC2"
_RAW_MAGIC = b"PHC\x00"
"""Magic of a part that is not compressed, with a checksum at the end. No bit that turns makes it the other one."""
_WORTH_COMPRESSING = 512
"""Bytes from which a new part is compressed: a row or two do not get smaller by it, and take as long as many."""

NO_LABELS = CodedColumn((), np.empty(0, np.uint8))
NO_REQUESTS = PackedTimings(b"", b"", b"")


@dataclass(frozen=True, eq=False)
class Predictions:
    """Predictions that were kept. Arrays have one entry a row.

    ``offsets`` are row numbers in the batch as it was sent; ``coded_labels`` is empty for a regression; ``ids`` is empty
    unless the predictions were made elsewhere; ``traces`` is empty unless a request carried a trace context (``traces``).
    """

    times: Ints
    scores: Floats
    offsets: Ints
    coded_labels: CodedColumn = NO_LABELS
    ids: list[str] = field(default_factory=list)
    requests: PackedTimings = NO_REQUESTS
    traces: CodedColumn = NO_LABELS

    @property
    def rows(self) -> int:
        return len(self.times)

    @cached_property
    def first_us(self) -> int:
        """Earliest event time."""
        return int(self.times.min())

    @cached_property
    def last_us(self) -> int:
        """Latest event time."""
        return int(self.times.max())

    @cached_property
    def labels(self) -> list[str]:
        """Predicted classes, one a row; empty for a regression."""
        return [str(text) for text in self.coded_labels.texts()]

    def part(self, first: int, rows: int) -> "Predictions":
        """Rows of one batch in a segment, without the requests."""
        return self.take(slice(first, first + rows))

    def take(self, rows: "Ints | slice") -> "Predictions":
        """Some rows, without the requests; under the same vocabularies."""
        ids = (
            self.ids[rows]
            if isinstance(rows, slice)
            else [self.ids[row] for row in rows.tolist() if self.ids]
        )
        return Predictions(
            self.times[rows],
            self.scores[rows],
            self.offsets[rows],
            self.coded_labels.take(rows) if len(self.coded_labels) else NO_LABELS,
            ids,
            traces=self.traces.take(rows) if len(self.traces) else NO_LABELS,
        )


@dataclass(frozen=True, slots=True, eq=False)
class Features:
    """Feature columns of the kept rows: float64 arrays (NaN where missing) and coded texts (None where missing)."""

    numeric: dict[str, Floats]
    categorical: dict[str, CodedColumn]

    def part(self, first: int, rows: int) -> "Features":
        """Rows of one batch in a segment."""
        inside = slice(first, first + rows)
        return Features(
            {name: values[inside] for name, values in self.numeric.items()},
            {name: texts.take(inside) for name, texts in self.categorical.items()},
        )


def join_predictions(parts: Sequence[Predictions]) -> Predictions:
    """Predictions of several batches of a stream, one after another."""
    if len(parts) == 1:
        return parts[0]
    labelled = [part.coded_labels for part in parts if len(part.coded_labels)]
    named = any(part.ids for part in parts)
    return Predictions(
        np.concatenate([part.times for part in parts]),
        np.concatenate([part.scores for part in parts]),
        np.concatenate([part.offsets for part in parts]),
        concatenate(labelled) if labelled else NO_LABELS,
        [text for part in parts for text in (part.ids or [""] * part.rows)] if named else [],
        PackedTimings(
            b"".join(part.requests.rows for part in parts),
            b"".join(part.requests.latency_us for part in parts),
            b"".join(part.requests.at_us for part in parts),
        ),
        _joined_traces(parts),
    )


def _joined_traces(parts: Sequence[Predictions]) -> CodedColumn:
    if not any(len(part.traces) for part in parts):
        return NO_LABELS
    return concatenate([part.traces if len(part.traces) else _no_traces(part.rows) for part in parts])


def join_features(parts: Sequence[Features]) -> Features:
    """Features of several batches of a stream, one after another; all have the same columns."""
    if len(parts) == 1:
        return parts[0]
    return Features(
        {name: np.concatenate([part.numeric[name] for part in parts]) for name in parts[0].numeric},
        {name: concatenate([part.categorical[name] for part in parts]) for name in parts[0].categorical},
    )


def _no_traces(rows: int) -> CodedColumn:
    return CodedColumn(("",), np.zeros(rows, np.uint8))


class _CodedTexts(msgspec.Struct, array_like=True):
    vocabulary: list[str | None]
    codes: bytes
    width: int


class _Head(msgspec.Struct, array_like=True):
    times: bytes
    scores: bytes
    offsets: bytes
    """Differences from row to row; empty where every row of a single batch was kept."""
    labels: _CodedTexts
    ids: list[str]
    requests: tuple[bytes, bytes, bytes]
    traces: _CodedTexts | None = None


class _Body(msgspec.Struct, array_like=True):
    numeric_names: list[str]
    numbers: bytes
    categorical: dict[str, _CodedTexts]


class _FirstHead(msgspec.Struct, array_like=True):
    times: bytes
    scores: bytes
    offsets: bytes
    labels: list[str]
    ids: list[str]
    requests: list[tuple[int, int, int]]


class _FirstBody(msgspec.Struct, array_like=True):
    numeric_names: list[str]
    numbers: bytes
    categorical: dict[str, list[str | None]]


_ENCODER = msgspec.msgpack.Encoder()
_HEADS = msgspec.msgpack.Decoder(_Head)
_BODIES = msgspec.msgpack.Decoder(_Body)
_FIRST_HEADS = msgspec.msgpack.Decoder(_FirstHead)
_FIRST_BODIES = msgspec.msgpack.Decoder(_FirstBody)


def encode_predictions(predictions: Predictions, level: int = _LEVEL) -> bytes:
    """Bytes of the predictions of a segment."""
    offsets = predictions.offsets
    last = len(offsets) - 1
    all_kept = (not last and not offsets[0]) or np.array_equal(offsets, np.arange(last + 1))
    requests = predictions.requests
    head = _Head(
        _steps(predictions.times),
        predictions.scores.astype("<f8", copy=False).tobytes(),
        b"" if all_kept else _steps(offsets),
        _coded(predictions.coded_labels),
        predictions.ids,
        (requests.rows, requests.latency_us, _steps(np.frombuffer(requests.at_us, "<i8"))),
        _coded(predictions.traces) if len(predictions.traces) else None,
    )
    return _packed(_ENCODER.encode(head), level)


def decode_predictions(data: bytes) -> Predictions:
    """Predictions from the bytes that ``encode_predictions`` wrote, now or in the first release. Raises IntegrityError."""
    try:
        content = _unpacked(data)
        if content is None:
            return _first_predictions(_FIRST_HEADS.decode(expand(data, _LARGEST)))
        head = _HEADS.decode(content)
        times = np.cumsum(np.frombuffer(head.times, "<i8"))
        offsets = np.cumsum(np.frombuffer(head.offsets, "<i8")) if head.offsets else np.arange(len(times))
        rows, latencies, at = head.requests
        return Predictions(
            times,
            np.frombuffer(head.scores, "<f8").astype(np.float64),
            offsets,
            _uncoded(head.labels),
            head.ids,
            PackedTimings(rows, latencies, np.cumsum(np.frombuffer(at, "<i8")).astype("<i8").tobytes()),
            NO_LABELS if head.traces is None else _uncoded(head.traces),
        )
    except (zstandard.ZstdError, msgspec.MsgspecError, ValueError, TypeError) as error:
        raise _damaged(error) from None


def encode_features(features: Features, level: int = _LEVEL) -> bytes:
    """Bytes of the feature columns of a segment."""
    numbers = b"".join(
        [
            (column if column.dtype == _FLOAT else column.astype(_FLOAT)).tobytes()
            for column in features.numeric.values()
        ]
    )
    texts = {name: _coded(column) for name, column in features.categorical.items()}
    return _packed(_ENCODER.encode(_Body(list(features.numeric), numbers, texts)), level)


def decode_features(data: bytes) -> Features:
    """Features from the bytes that ``encode_features`` wrote, now or in the first release. Raises IntegrityError."""
    try:
        content = _unpacked(data)
        if content is not None:
            body = _BODIES.decode(content)
            texts = {name: _uncoded(column) for name, column in body.categorical.items()}
            names, packed = body.numeric_names, body.numbers
        else:
            first = _FIRST_BODIES.decode(expand(data, _LARGEST))
            texts = {name: CodedColumn.of(column) for name, column in first.categorical.items()}
            names, packed = first.numeric_names, first.numbers
        numbers = np.frombuffer(packed, "<f8").astype(np.float64)
        table = numbers.reshape(len(names), -1) if names else numbers.reshape(0, 0)
        return Features(dict(zip(names, table, strict=True)), texts)
    except (zstandard.ZstdError, msgspec.MsgspecError, ValueError, TypeError) as error:
        raise _damaged(error) from None


def pack(value: object) -> bytes:
    """Bytes of any plain value under zstd, for what is kept only to be looked at."""
    return compress(_ENCODER.encode(value), _LEVEL)


def _packed(content: bytes, level: int) -> bytes:
    if level == _LEVEL and len(content) < _WORTH_COMPRESSING:
        return with_checksum(_RAW_MAGIC + content)
    return _MAGIC + compress(content, level)


def _unpacked(data: bytes) -> bytes | None:
    """Content of a part; None for one that the first release wrote."""
    if data.startswith(_RAW_MAGIC):
        return without_checksum(data)[len(_RAW_MAGIC) :]
    return expand(data[len(_MAGIC) :], _LARGEST) if data.startswith(_MAGIC) else None


def _steps(numbers: NDArray[Any]) -> bytes:
    if len(numbers) == 1:
        return numbers.astype("<i8", copy=False).tobytes()
    steps = numbers.astype("<i8")
    steps[1:] -= numbers[:-1]
    return steps.tobytes()


def _coded(column: CodedColumn) -> _CodedTexts:
    return _CodedTexts(list(column.vocabulary), column.codes.tobytes(), column.codes.itemsize)


def _uncoded(column: _CodedTexts) -> CodedColumn:
    codes = np.frombuffer(column.codes, f"<u{column.width}")
    if codes.size and int(codes.max()) >= len(column.vocabulary):
        raise ValueError("a text beyond its vocabulary")
    return CodedColumn(column.vocabulary, codes)


def _first_predictions(head: _FirstHead) -> Predictions:
    times = np.cumsum(np.frombuffer(head.times, "<i8"))
    offsets = np.frombuffer(head.offsets, "<u4") if head.offsets else np.arange(len(times))
    return Predictions(
        times.astype(np.int64),
        np.frombuffer(head.scores, "<f8").astype(np.float64),
        offsets.astype(np.int64),
        CodedColumn.of(code_texts(head.labels)) if head.labels else NO_LABELS,
        head.ids,
        pack_timings([RequestTiming(*request) for request in head.requests]),
    )


def _damaged(error: Exception) -> IntegrityError:
    return IntegrityError(f"a stored batch is damaged ({error}): restore telemetry.db from a backup")
