"""Rows of a person found in the stored predictions, and erased there. Functions take a connection.

Segments are written anew without the rows; outcomes, conflicts and kept rejections go with them. Heads of batches stay, with
the places of the rows, so that a batch that comes again brings nothing back. Windows, outcome days and readings are counts of
many rows, and stay.
"""

import hashlib
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import replace

import numpy as np

from pilothouse.domain.erasure import BatchRows, ErasedRows
from pilothouse.domain.identifiers import parse_prediction_id
from pilothouse.sqlite import Connection
from pilothouse.statistics.profiles.coded import CodedColumn
from pilothouse.telemetry.intake import kept_rejections
from pilothouse.telemetry.intake.streams import list_streams
from pilothouse.telemetry.outcomes.outcome_matching import known_rows
from pilothouse.telemetry.outcomes.waiting_outcomes import hash_id
from pilothouse.telemetry.rows import erased_rows, traces
from pilothouse.telemetry.rows.columns import (
    CLOSED_LEVEL,
    NO_LABELS,
    Features,
    Ints,
    Predictions,
    decode_features,
    decode_predictions,
    encode_features,
    encode_predictions,
)
from pilothouse.telemetry.trials import deletion

Where = Sequence[tuple[str, str]]
"""Columns and the values that they must all have."""

_BATCH = (
    "SELECT b.id, b.segment_start, b.rows, p.name, b.sequence, s.model, s.version, s.target, b.segment_id "
    "FROM batches b JOIN producers p ON p.id = b.producer_id JOIN streams s ON s.id = b.stream_id "
)


def find(connection: Connection, model: str, where: Where, ids: Collection[str]) -> list[BatchRows]:
    """Stored rows of a model (of all where it is empty) by the values of features, and by prediction ids."""
    found: dict[tuple[str, int, str, str, int], set[int]] = defaultdict(set)
    if where:
        for stream in list_streams(connection, model or None):
            _find_by_values(connection, stream.id, where, found)
    for text in ids:
        _find_by_id(connection, model, text, found)
    return [BatchRows(*key, tuple(sorted(offsets))) for key, offsets in sorted(found.items())]


def columns_missing(connection: Connection, model: str, where: Where) -> list[str]:
    """``delay/2 on ewr`` for each stream with rows that stores not all of these columns, so that none can be named there."""
    missing = []
    for stream in list_streams(connection, model or None):
        row = connection.execute(
            "SELECT features FROM segments WHERE stream_id=? LIMIT 1", (stream.id,)
        ).fetchone()
        if row is not None and where and not _has_all(decode_features(row[0]), where):
            missing.append(f"{stream.model}/{stream.version} on {stream.target}")
    return missing


def find_kept(connection: Connection, model: str, where: Where, ids: Collection[str]) -> list[BatchRows]:
    """Rows that were rejected and are kept to be judged again."""
    found = []
    for (number,) in connection.execute("SELECT id FROM kept_rejections ORDER BY id").fetchall():
        kept = kept_rejections.read(connection, number)
        assert kept is not None
        batch = kept.batch
        if model and batch.model != model:
            continue
        texts = {name: CodedColumn.of(column) for name, column in batch.categorical.items()}
        numbers = {name: np.frombuffer(data, "<f8") for name, data in batch.numeric.items()}
        named = _matching(Features(numbers, texts), where, batch.rows)
        offsets = {kept.offsets[row] for row in np.flatnonzero(named)}
        offsets |= {offset for offset, name in zip(kept.offsets, kept.ids(), strict=True) if name in ids}
        if offsets:
            found.append(
                BatchRows(
                    batch.model, batch.version, batch.target, batch.producer, batch.sequence,
                    tuple(sorted(offsets)),
                )
            )  # fmt: skip
    return found


def find_waiting(
    connection: Connection, ids: Collection[str], named: Callable[[str], bool]
) -> list[tuple[int, int]]:
    """Outcomes that wait for predictions of these ids, or of ids that name the person: (row, microseconds of its arrival)."""
    return [
        (row, received)
        for row, received, text in connection.execute(
            "SELECT rowid, received, id FROM waiting_outcomes ORDER BY rowid"
        )
        if text in ids or named(text)
    ]


def erase(connection: Connection, batches: Iterable[BatchRows]) -> list[ErasedRows]:
    """Erase rows of batches, as far as they are there; returns what each stream lost."""
    by_segment: dict[int, dict[int, set[int]]] = defaultdict(dict)
    streams: dict[int, tuple[str, int, str]] = {}
    for named in batches:
        row = connection.execute(
            f"{_BATCH} WHERE p.name=? AND b.sequence=?", (named.producer, named.sequence)
        ).fetchone()
        if row is None:
            continue  # of a workspace that was restored to a time before the batch
        erased_rows.add(connection, row[0], named.offsets)
        deletion.forget_batch(connection, row[0], named.offsets)
        if row[8] is not None:  # else retention has deleted it
            by_segment[row[8]][row[0]] = set(named.offsets)
            streams[row[8]] = row[5:8]
    lost: dict[tuple[str, int, str], list[tuple[int, int, tuple[str, ...]]]] = defaultdict(list)
    for segment, offsets in sorted(by_segment.items()):
        lost[streams[segment]].append(_rewrite(connection, segment, offsets))
    return [
        ErasedRows(
            *stream,
            sum(rows for rows, _, _ in parts),
            sum(outcomes for _, outcomes, _ in parts),
            tuple(digests for _, _, digests in parts),
        )
        for stream, parts in sorted(lost.items())
    ]


def forget_unused_texts(connection: Connection, model: str) -> int:
    """Write those segments anew that keep texts of which no row is left: of rows that were rejected with their batch, by a
    release that kept them. Returns how many."""
    count = 0
    for stream in list_streams(connection, model or None):
        segments = connection.execute("SELECT id, features FROM segments WHERE stream_id=?", (stream.id,))
        for segment, body in segments.fetchall():
            features = decode_features(body)
            columns = features.categorical.values()
            if any(np.unique(column.codes).size < len(column.vocabulary) for column in columns):
                whole = _some_features(features, np.arange(_rows_of(features)))
                data = encode_features(whole, CLOSED_LEVEL)
                connection.execute("UPDATE segments SET features=? WHERE id=?", (data, segment))
                count += 1
    return count


def erase_kept(connection: Connection, kept: Iterable[BatchRows], now_us: int) -> int:
    """Erase rows that were rejected and kept; returns how many. Those of a batch that comes again are known by its head."""
    erased = 0
    for named in kept:
        numbers = connection.execute(
            "SELECT id FROM kept_rejections WHERE producer=? AND sequence=?", (named.producer, named.sequence)
        ).fetchall()
        for (number,) in numbers:
            rows = kept_rejections.read(connection, number)
            assert rows is not None
            left = [place for place, offset in enumerate(rows.offsets) if offset not in named.offsets]
            if len(left) < len(rows.offsets):
                erased += len(rows.offsets) - len(left)
                kept_rejections.settle(connection, rows, left, now_us)
        row = connection.execute(
            "SELECT b.id FROM batches b JOIN producers p ON p.id = b.producer_id WHERE p.name=? AND b.sequence=?",
            (named.producer, named.sequence),
        ).fetchone()
        if row is not None:
            erased_rows.add(connection, row[0], named.offsets)
    return erased


def erase_waiting(connection: Connection, waiting: Iterable[Sequence[int]]) -> int:
    """Drop outcomes that wait; returns how many were still there."""
    return sum(
        connection.execute("DELETE FROM waiting_outcomes WHERE rowid=? AND received=?", tuple(place)).rowcount
        for place in waiting
    )


def still_there(connection: Connection, batches: Iterable[BatchRows]) -> int:
    """Number of these rows that are stored."""
    count = 0
    for named in batches:
        row = connection.execute(
            f"{_BATCH} WHERE p.name=? AND b.sequence=? AND b.segment_id IS NOT NULL",
            (named.producer, named.sequence),
        ).fetchone()
        if row is not None:
            (data,) = connection.execute("SELECT predictions FROM segments WHERE id=?", (row[8],)).fetchone()
            offsets = decode_predictions(data).offsets[row[1] : row[1] + row[2]]
            count += int(np.isin(offsets, named.offsets).sum())
    return count


def _find_by_values(
    connection: Connection,
    stream_id: int,
    where: Where,
    found: dict[tuple[str, int, str, str, int], set[int]],
) -> None:
    segments = connection.execute("SELECT id, features FROM segments WHERE stream_id=?", (stream_id,))
    for segment, body in segments.fetchall():
        features = decode_features(body)
        rows = np.flatnonzero(_matching(features, where, _rows_of(features)))
        if not rows.size:
            continue
        (head,) = connection.execute("SELECT predictions FROM segments WHERE id=?", (segment,)).fetchone()
        offsets = decode_predictions(head).offsets
        batches = connection.execute(f"{_BATCH} WHERE b.segment_id=?", (segment,)).fetchall()
        for _, first, count, producer, sequence, model, version, target, _ in batches:
            inside = rows[(rows >= first) & (rows < first + count)]
            if inside.size:
                key = (model, version, target, producer, sequence)
                found[key].update(int(offset) for offset in offsets[inside])


def _find_by_id(
    connection: Connection,
    model: str,
    text: str,
    found: dict[tuple[str, int, str, str, int], set[int]],
) -> None:
    """Note the row of a prediction id: by its place, or by the id that its sender gave it."""
    name = parse_prediction_id(text)
    places = []
    if name is not None:
        places += [
            (row, name.offset)
            for row in connection.execute(
                f"{_BATCH} WHERE p.name=? AND b.sequence=?", (name.producer, name.sequence)
            ).fetchall()
        ]
    foreign = connection.execute(
        "SELECT batch_id, offset FROM foreign_ids WHERE hash=?", (hash_id(text),)
    ).fetchone()
    if foreign is not None:
        row = connection.execute(f"{_BATCH} WHERE b.id=?", (foreign[0],)).fetchone()
        places.append((row, foreign[1]))
    for row, offset in places:
        _, first, count, producer, sequence, of_model, version, target, segment = row
        if segment is None or (model and of_model != model):
            continue
        (data,) = connection.execute("SELECT predictions FROM segments WHERE id=?", (segment,)).fetchone()
        if offset in decode_predictions(data).offsets[first : first + count]:
            found[of_model, version, target, producer, sequence].add(offset)


def _has_all(features: Features, where: Where) -> bool:
    return all(name in features.numeric or name in features.categorical for name, _ in where)


def _rows_of(features: Features) -> int:
    lengths = [len(values) for values in features.numeric.values()]
    return next(iter([*lengths, *(len(column) for column in features.categorical.values())]), 0)


def _matching(features: Features, where: Where, rows: int) -> "np.ndarray[tuple[int], np.dtype[np.bool_]]":
    """Mask of the rows that have all the values; of none where a column is not there."""
    if not where or not _has_all(features, where):
        return np.zeros(rows, np.bool_)
    named = np.ones(rows, np.bool_)
    for name, value in where:
        if name in features.categorical:
            column = features.categorical[name]
            named &= column.mapped({value: 1}, 0) == 1
        else:
            try:
                named &= features.numeric[name] == float(value)
            except ValueError:
                named[:] = False
    return named


def _rewrite(
    connection: Connection, segment: int, erased: dict[int, set[int]]
) -> tuple[int, int, tuple[str, ...]]:
    """Write a segment anew without rows of its batches; returns the rows, the outcomes that went with them, and the digests of
    the segment before and after."""
    head, body = connection.execute(
        "SELECT predictions, features FROM segments WHERE id=?", (segment,)
    ).fetchone()
    predictions, features = decode_predictions(head), decode_features(body)
    batches = connection.execute(
        "SELECT id, segment_start, rows FROM batches WHERE segment_id=? ORDER BY segment_start", (segment,)
    ).fetchall()
    stays, outcomes, start = np.ones(predictions.rows, np.bool_), 0, 0
    for batch_id, first, count in batches:
        offsets = predictions.offsets[first : first + count]
        left = ~np.isin(offsets, np.fromiter(erased.get(batch_id, ()), np.int64))
        part = predictions.part(first, count)
        traces.forget_rows(connection, batch_id, part, part.take(np.flatnonzero(left)))
        stays[first : first + count] = left
        outcomes += _cut_outcomes(connection, batch_id, left, sorted(erased.get(batch_id, ())))
        connection.execute(
            "UPDATE batches SET segment_start=?, rows=? WHERE id=?", (start, int(left.sum()), batch_id)
        )
        start += int(left.sum())
    before = _digest(head, body)
    gone = int((~stays).sum())
    if not stays.any():
        connection.execute("UPDATE batches SET segment_id=NULL WHERE segment_id=?", (segment,))
        connection.execute("DELETE FROM segments WHERE id=?", (segment,))
        return gone, outcomes, (before, "")
    rows = np.flatnonzero(stays)
    new_head = encode_predictions(_some(predictions, rows), CLOSED_LEVEL)
    new_body = encode_features(_some_features(features, rows), CLOSED_LEVEL)
    times = predictions.times[rows]
    connection.execute(
        "UPDATE segments SET rows=?, first_event=?, last_event=?, predictions=?, features=? WHERE id=?",
        (len(rows), int(times.min()), int(times.max()), new_head, new_body, segment),
    )
    return gone, outcomes, (before, _digest(new_head, new_body))


def _cut_outcomes(
    connection: Connection,
    batch_id: int,
    left: "np.ndarray[tuple[int], np.dtype[np.bool_]]",
    offsets: Sequence[int],
) -> int:
    """Cut the outcomes of a batch down to the rows that are left, and its conflicts; returns the outcomes that were known."""
    connection.executemany(
        "DELETE FROM outcome_conflicts WHERE batch_id=? AND offset=?",
        [(batch_id, offset) for offset in offsets],
    )
    row = connection.execute("SELECT data FROM outcomes WHERE batch_id=?", (batch_id,)).fetchone()
    if row is None or left.all():
        return 0
    values = np.frombuffer(row[0], "<u2" if len(row[0]) == 2 * len(left) else "<f8")
    known = np.isin(known_rows(values), np.flatnonzero(~left)).sum()
    if left.any():
        connection.execute("UPDATE outcomes SET data=? WHERE batch_id=?", (values[left].tobytes(), batch_id))
    else:
        connection.execute("DELETE FROM outcomes WHERE batch_id=?", (batch_id,))
    return int(known)


def _some(predictions: Predictions, rows: Ints) -> Predictions:
    """Rows of the predictions, traces coded anew as the features are."""
    taken = predictions.take(rows)
    kept = CodedColumn.of(taken.traces.texts()) if any(taken.traces) else NO_LABELS
    return replace(taken, requests=predictions.requests, traces=kept)


def _some_features(features: Features, rows: Ints) -> Features:
    """Rows of the features. Texts are coded anew: a vocabulary would keep the values of rows that have gone."""
    return Features(
        {name: values[rows] for name, values in features.numeric.items()},
        {name: CodedColumn.of(column.take(rows).texts()) for name, column in features.categorical.items()},
    )


def _digest(head: bytes, body: bytes) -> str:
    return hashlib.sha256(head + body).hexdigest()
