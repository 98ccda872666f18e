"""Small batches that are read together are taken in as each by itself is, whatever is wrong with some of them."""

import dataclasses
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pilothouse.domain.formats.wire import (
    BatchReceipt,
    CodedTexts,
    PredictionBatch,
    RequestTiming,
    code_texts,
    pack_timings,
)
from pilothouse.statistics.profiles.coded import CodedColumn, concatenate
from pilothouse.telemetry import TelemetryStore, VersionFacts
from pilothouse.telemetry.intake import small_batches
from pilothouse.telemetry.rows.requests import requests_of
from support.flight_batches import NOW_US, batch_of, flights, specification

HOUR_US = 3_600_000_000
FIRST_US = NOW_US - 40 * 24 * HOUR_US
FACTS = VersionFacts(specification(), frozenset({"secret"}))


def packed(batch: PredictionBatch) -> PredictionBatch:
    """As our serving processes send it: texts and requests packed."""
    return dataclasses.replace(
        batch,
        categorical={name: code_texts(texts) for name, texts in batch.categorical.items()},
        labels=code_texts(batch.labels),
        requests=pack_timings(batch.requests),
    )


def sent(number: int, chance: random.Random) -> PredictionBatch:
    rows = chance.choice((1, 1, 1, 2, 5))
    first = chance.randrange(20_000)
    times = FIRST_US + (number // 9 * HOUR_US + np.array(sorted(chance.sample(range(HOUR_US), rows))))
    part = flights().iloc[first : first + rows].assign(at_us=times)
    stream = number % 9
    batch = batch_of(
        part, number, producer=f"p{stream}", target=f"t{stream % 3}", model=f"m{stream // 3}", latency_us=number + 1
    )  # fmt: skip
    at_us = int(times[0])
    if rows > 1 and chance.random() < 0.5:
        timings = [RequestTiming(1, 7, at_us, 5, 3), RequestTiming(rows - 1, 9, at_us, 0, 3)]
        batch = dataclasses.replace(batch, requests=timings)
    return packed(batch)


def _with(batch: PredictionBatch, **columns: Any) -> PredictionBatch:
    return dataclasses.replace(batch, **columns)


def _column(name: str, value: object, kind: str = "numeric") -> Callable[[PredictionBatch], PredictionBatch]:
    def changed(batch: PredictionBatch) -> PredictionBatch:
        return _with(batch, **{kind: {**getattr(batch, kind), name: value}})

    return changed


def _last(column: bytes, value: float | int) -> bytes:
    kind = "<f8" if isinstance(value, float) else "<i8"
    numbers = np.frombuffer(column, kind).copy()
    numbers[-1] = value
    return numbers.tobytes()


FAULTS: dict[str, Callable[[PredictionBatch], PredictionBatch]] = {
    "no score": lambda b: _with(b, scores=_last(b.scores, float("nan"))),
    "no time": lambda b: _with(b, event_times=_last(b.event_times, -(1 << 63))),
    "future": lambda b: _with(b, event_times=_last(b.event_times, NOW_US + 3 * HOUR_US)),
    "long ago": lambda b: _with(b, event_times=_last(b.event_times, FIRST_US - 200 * 24 * HOUR_US)),
    "far ahead": lambda b: _with(b, event_times=_last(b.event_times, NOW_US)),
    "another label": lambda b: _with(b, labels=code_texts(["2"] * b.rows)),
    "labels without a vocabulary": lambda b: _with(b, labels=CodedTexts([], bytes(b.rows))),
    "plain texts": lambda b: _with(b, labels=["0"] * b.rows),
    "cut column": _column("temp", b"\0" * 4),
    "text that is none": _column("carrier", CodedTexts([3], b"\0"), "categorical"),  # type: ignore[list-item]
    "code beyond": lambda b: _column("carrier", CodedTexts(["UA"], b"\7" * b.rows), "categorical")(b),
    "column missing": lambda b: _with(b, numeric={n: c for n, c in b.numeric.items() if n != "temp"}),
    "private column": lambda b: _column("secret", b"\0" * 8 * b.rows)(b),
    "numbers instead": lambda b: _with(
        b, numeric={**b.numeric, "carrier": b.scores},
        categorical={n: c for n, c in b.categorical.items() if n != "carrier"},
    ),
    "no requests": lambda b: _with(b, requests=pack_timings([])),
    "requests of other rows": lambda b: _with(b, requests=pack_timings([RequestTiming(b.rows + 1, 1, 1)])),
    "requests below none": lambda b: _with(
        b, requests=pack_timings([RequestTiming(-1, 1, 1), RequestTiming(b.rows + 1, 1, 1)])
    ),
    "cut requests": lambda b: _with(b, requests=dataclasses.replace(b.requests, latency_us=b"\0" * 9)),
    "foreign ids": lambda b: _with(b, foreign_ids=[f"{b.producer}-{b.sequence}-{i}" for i in range(b.rows)]),
    "traces": lambda b: _with(b, traces=code_texts(["00-" + "a" * 32 + "-" + "b" * 16] * b.rows)),
    "errors": lambda b: _with(b, errors=3),
    "no rows": lambda b: _with(
        b, rows=0, event_times=b"", scores=b"", numeric=dict.fromkeys(b.numeric, b""), labels=code_texts([]),
        categorical={n: code_texts([]) for n in b.categorical}, requests=pack_timings([]), errors=2,
    ),
    "another version": lambda b: _with(b, version=9),
    "another target's producer": lambda b: _with(b, target="elsewhere"),
}  # fmt: skip


@pytest.fixture
def stores(tmp_path: Path) -> Iterator[list[TelemetryStore]]:
    opened = [TelemetryStore(tmp_path / f"{name}.db") for name in ("one", "all")]
    yield opened
    for store in opened:
        store.close()


def taken(store: TelemetryStore, batches: list[PredictionBatch]) -> list[BatchReceipt]:
    return store.append_many(batches, lambda model, version: FACTS if version < 9 else None, NOW_US)


def contents(store: TelemetryStore) -> list[Any]:
    """All that is stored but for how rows are cut into segments."""
    from pilothouse.telemetry.rows.found_rows import by_id

    with store.read() as connection:
        heads = connection.execute(
            "SELECT p.name, b.sequence, b.checksum, b.rows, b.rejected, b.stream_id FROM batches b "
            "JOIN producers p ON p.id = b.producer_id ORDER BY 1, 2"
        ).fetchall()
        rows = [
            str(by_id(connection, f"{producer}.{sequence}.{offset}"))
            for producer, sequence, *_ in heads
            for offset in range(5)
        ]
        tables = [
            connection.execute(query).fetchall()
            for query in (
                "SELECT * FROM streams ORDER BY id",
                "SELECT * FROM windows ORDER BY 1, 2, 3",
                "SELECT model, target, event, far, far_count FROM clocks ORDER BY 1, 2",
                "SELECT reason, count FROM rejected_totals ORDER BY 1",
                "SELECT reason, count, producer, sequence, example, data FROM rejected ORDER BY id",
                "SELECT reason, producer, sequence, rows, data FROM kept_rejections ORDER BY id",
                "SELECT hash, offset FROM foreign_ids ORDER BY 1",
                "SELECT hash FROM traces ORDER BY 1",
            )
        ]
    return [heads, rows, *tables]


@pytest.mark.parametrize(
    "faults", [[], *([name] for name in FAULTS), list(FAULTS)], ids=lambda names: "+".join(names[:1])
)
def test_batches_are_taken_together_as_one_by_one(stores: list[TelemetryStore], faults: list[str]) -> None:
    one, together = stores
    chance = random.Random(len(faults))
    batches = [sent(number, chance) for number in range(45)]
    for name in faults:
        for number in chance.sample(range(9, 45), 2):
            batches[number] = FAULTS[name](batches[number])
    batches += batches[20:22]  # come again
    for first in range(0, len(batches), 25):
        some = batches[first : first + 25]
        assert [taken(one, [batch])[0] for batch in some] == taken(together, some)
    assert contents(one) == contents(together)


def test_most_batches_are_read_together_and_as_by_themselves() -> None:
    chance = random.Random(3)
    batches = [sent(number, chance) for number in range(40)]
    batches[7] = FAULTS["no score"](batches[7])
    found = small_batches.read_together(
        batches, {("m0", 1): specification(), ("m1", 1): specification()}, NOW_US
    )
    expected = [batch for batch in batches if batch.model != "m2" and batch is not batches[7]]
    assert [batch for batch in batches if id(batch) in found] == expected
    for batch in expected:
        plain = found[id(batch)]
        asked = requests_of(plain.predictions, batch.rows)
        for name in asked.__slots__:
            assert getattr(plain.requests, name).tolist() == getattr(asked, name).tolist(), name


@pytest.mark.parametrize("many", [2, 40])
def test_coded_columns_are_joined_under_one_vocabulary(many: int) -> None:
    chance = random.Random(many)
    columns = [
        [chance.choice(["a", "b", None, f"x{i}"]) for _ in range(chance.randrange(4))] for i in range(many)
    ]
    joined = concatenate([CodedColumn.of(column) for column in columns])
    assert joined.texts() == [text for column in columns for text in column]
    assert joined.codes.dtype == np.uint8
