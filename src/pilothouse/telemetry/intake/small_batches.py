"""Small batches of one specification read together: numpy's calls cost a hundred times what the numbers of a row do.

What is found is what ``admit`` finds of each batch by itself: of a batch whose columns are whole and of which every row is kept
by all that does not depend on the clock. Any other, and all of a group in which a column is missing or cut, is left to it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from pilothouse.domain.formats.wire import CodedTexts, PackedTimings, PredictionBatch, code_width
from pilothouse.statistics.arrays import AnyArray, Flags
from pilothouse.statistics.profiles.coded import CodedColumn
from pilothouse.statistics.profiles.specification import CategoricalColumn, ProfileSpecification
from pilothouse.telemetry.rows.columns import MISSING_TIME, NO_LABELS, Features, Floats, Ints, Predictions
from pilothouse.telemetry.rows.requests import Requests

SMALL_ROWS = 256
"""Rows of a batch up to which it is read together with others."""
_WORTH_IT = 8
"""Batches of one specification from which they are read together."""
_ONE_BYTE = 256
"""Entries of a vocabulary up to which its codes take a byte."""


@dataclass(frozen=True, slots=True, eq=False)
class PlainBatch:
    """Columns of a batch of which every row may be kept, as far as the clock of its target allows."""

    predictions: Predictions
    features: Features
    requests: Requests


class _NotPlainError(Exception):
    """A column of some batch is not whole."""


def read_together(
    batches: Sequence[PredictionBatch],
    specifications: Mapping[tuple[str, int], ProfileSpecification],
    not_after_us: int,
) -> dict[int, PlainBatch]:
    """Plain batches by ``id`` of the batch. ``specifications`` by model and version, of those that are registered; no row of
    a plain batch has an event time after ``not_after_us``."""
    groups: dict[str, tuple[ProfileSpecification, list[PredictionBatch]]] = {}
    for batch in batches:
        known = specifications.get((batch.model, batch.version))
        if known is not None and _may_be_plain(batch, known):
            groups.setdefault(known.digest, (known, []))[1].append(batch)
    found: dict[int, PlainBatch] = {}
    for specification, group in groups.values():
        if len(group) < _WORTH_IT:
            continue
        try:
            found.update(_read(group, specification, not_after_us))
        except (_NotPlainError, KeyError, TypeError, ValueError, IndexError):
            continue  # each is judged by itself, which says what is wrong with which
    return found


def _may_be_plain(batch: PredictionBatch, known: ProfileSpecification) -> bool:
    return (
        0 < batch.rows <= SMALL_ROWS
        and not batch.foreign_ids
        and not len(batch.traces)
        and isinstance(batch.requests, PackedTimings)
        and len(batch.requests.rows) >= 8
        and len(batch.numeric) + len(batch.categorical) == len(known.features)
    )


def _read(
    group: Sequence[PredictionBatch], specification: ProfileSpecification, not_after_us: int
) -> dict[int, PlainBatch]:
    rows = [batch.rows for batch in group]
    sizes = [8 * count for count in rows]
    counts = np.array(rows, np.int64)
    ends: Ints = counts.cumsum()
    starts: Ints = ends - counts
    times = _joined([batch.event_times for batch in group], sizes, "<i8")
    scores = _joined([batch.scores for batch in group], sizes, "<f8")
    numeric: dict[str, Floats] = {}
    categorical: dict[str, tuple[list[list[str | None]], AnyArray]] = {}
    for column in specification.features:
        if isinstance(column, CategoricalColumn):
            texts = [batch.categorical[column.name] for batch in group]
            categorical[column.name] = _texts(texts, rows, starts)
        else:
            numeric[column.name] = _joined([batch.numeric[column.name] for batch in group], sizes, "<f8")
    kept = np.isfinite(scores) & (times != MISSING_TIME) & (times <= not_after_us)
    labels: AnyArray | None = None
    if classes := specification.classes:
        labels = _classes([batch.labels for batch in group], rows, starts, classes)
        kept &= labels < len(classes)
        labels = labels.astype(f"<u{code_width(len(classes))}")
    plain = np.logical_and.reduceat(kept, starts)
    requests, ends_of_requests = _requests(group, times, starts, rows, plain)
    first_us, last_us = (by.reduceat(times, starts).tolist() for by in (np.minimum, np.maximum))
    found, first_request = {}, 0
    places = np.arange(max(rows))
    for i, (start, end, end_of_requests, is_plain) in enumerate(
        zip(starts.tolist(), ends.tolist(), ends_of_requests, plain.tolist(), strict=True)
    ):
        asked = slice(first_request, end_of_requests)
        first_request = end_of_requests
        if not is_plain:
            continue
        batch, own = group[i], slice(start, end)
        assert isinstance(batch.requests, PackedTimings)
        predictions = Predictions(
            times[own],
            scores[own],
            places[: end - start],
            NO_LABELS if labels is None else CodedColumn(classes, labels[own]),
            [],
            batch.requests,
        )
        predictions.__dict__.update(first_us=first_us[i], last_us=last_us[i])  # cached properties
        features = Features(
            {name: values[own] for name, values in numeric.items()},
            {name: CodedColumn(texts[i], codes[own]) for name, (texts, codes) in categorical.items()},
        )
        found[id(batch)] = PlainBatch(
            predictions, features, Requests(*(column[asked] for column in requests))
        )
    return found


def _joined(parts: Sequence[bytes], sizes: Sequence[int], kind: str) -> AnyArray:
    if [len(part) for part in parts] != sizes:
        raise _NotPlainError
    return np.frombuffer(b"".join(parts), kind)


def _texts(
    columns: Sequence[object], rows: Sequence[int], starts: Ints
) -> tuple[list[list[str | None]], AnyArray]:
    """Vocabulary of each batch, and the codes of all."""
    vocabularies, codes = [], []
    for column in columns:
        if not isinstance(column, CodedTexts):
            raise _NotPlainError
        for text in column.vocabulary:
            if text is not None and not isinstance(text, str):
                raise _NotPlainError
        vocabularies.append(column.vocabulary)
        codes.append(column.codes)
    many = [len(vocabulary) for vocabulary in vocabularies]
    joint = _joined(codes, rows, "|u1")
    if max(many) > _ONE_BYTE or (np.maximum.reduceat(joint, starts) >= many).any():
        raise _NotPlainError
    return vocabularies, joint


def _classes(columns: Sequence[object], rows: Sequence[int], starts: Ints, classes: Sequence[str]) -> Ints:
    """Number of each row's class, int64[all]; the number of classes where it is none of them."""
    vocabularies, codes = _texts(columns, rows, starts)
    number_of: dict[str | None, int] = {name: i for i, name in enumerate(classes)}
    table = [number_of.get(text, len(classes)) for vocabulary in vocabularies for text in vocabulary]
    many = np.array([len(vocabulary) for vocabulary in vocabularies])
    numbers: Ints = np.array(table, np.int64)[np.repeat(many.cumsum() - many, rows) + codes]
    return numbers


def _requests(
    group: Sequence[PredictionBatch], times: Ints, starts: Ints, rows: Sequence[int], plain: Flags
) -> tuple[tuple[Ints, Ints, Ints, Ints, Ints], list[int]]:
    """Columns of the requests of all, as ``requests_of`` gives them, and where those of each batch end. A batch is not plain
    whose requests do not carry its rows."""
    asked = [batch.requests for batch in group if isinstance(batch.requests, PackedTimings)]
    sizes = [len(part.rows) for part in asked]
    if any(size % 8 for size in sizes):
        raise _NotPlainError
    carried = _joined([part.rows for part in asked], sizes, "<i8")
    latency_us = _joined([part.latency_us for part in asked], sizes, "<i8")
    _joined([part.at_us for part in asked], sizes, "<i8")
    called_us, usual_us = (
        _joined([part or bytes(size) for part, size in zip(parts, sizes, strict=True)], sizes, "<i8")
        for parts in ([part.called_us for part in asked], [part.usual_us for part in asked])
    )
    ends = np.array(sizes, np.int64).cumsum() // 8
    begins = np.concatenate(([0], ends[:-1]))
    of_batch = np.repeat(np.arange(len(group)), ends - begins)
    counts = np.array(rows)
    plain &= (
        (np.minimum.reduceat(carried, begins) >= 0)
        & (np.maximum.reduceat(carried, begins) <= counts)
        & (np.add.reduceat(carried, begins) == counts)
    )
    before = carried.cumsum() - carried
    first = np.clip(before - before[begins][of_batch], 0, counts[of_batch] - 1)
    return (times[starts[of_batch] + first], latency_us, carried, called_us, usual_us), ends.tolist()
