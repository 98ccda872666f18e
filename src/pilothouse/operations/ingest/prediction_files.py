"""Files of predictions and outcomes from other systems: parquet, csv, csv.gz, jsonl and ndjson, read into batches."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pilothouse.domain.categories import category_text
from pilothouse.domain.errors import InvalidInputError
from pilothouse.domain.model_spec import ModelSpec
from pilothouse.domain.wire import Outcome, PredictionBatch, RequestTiming
from pilothouse.statistics.profiles.specification import CategoricalColumn, ProfileSpecification
from pilothouse.system.files import sha256_file
from pilothouse.telemetry.admission import MISSING_TIME
from pilothouse.telemetry.columns import Floats, Ints

if TYPE_CHECKING:
    import pyarrow as pa

_BATCH_ROWS = 5_000
_EVENT_TIME = "event_time"
_SUFFIXES = ".parquet, .csv, .csv.gz, .jsonl or .ndjson"
_OUTCOME_COLUMNS = ("outcome", "truth", "value", "label")


@dataclass(frozen=True, slots=True, eq=False)
class PredictionLog:
    """A file's rows in order of event time. ``ids`` is empty where the file has none, ``values`` (of outcomes) likewise."""

    digest: str
    times: Ints
    scores: Floats
    labels: list[str]
    ids: list[str]
    latencies_us: Ints
    numeric: dict[str, Floats]
    categorical: dict[str, list[str | None]]
    values: list[str | float | None]

    @property
    def rows(self) -> int:
        """The number of rows."""
        return len(self.times)

    def batches(self, producer: str, model: str, version: int, target: str) -> Iterator[PredictionBatch]:
        """The rows as batches, numbered from 0: the same file always gives the same ones."""
        for sequence, first in enumerate(range(0, self.rows, _BATCH_ROWS)):
            part = slice(first, first + _BATCH_ROWS)
            times = self.times[part]
            latencies = self.latencies_us[part]
            yield PredictionBatch(
                producer,
                sequence,
                target,
                model,
                version,
                len(times),
                times.astype("<i8").tobytes(),
                self.scores[part].astype("<f8").tobytes(),
                {name: values[part].astype("<f8").tobytes() for name, values in self.numeric.items()},
                {name: texts[part] for name, texts in self.categorical.items()},
                self.labels[part],
                [RequestTiming(1, int(us), int(at)) for us, at in zip(latencies, times, strict=False)],
                0,
                self.ids[part],
            )

    def outcomes(self, producer: str) -> list[Outcome]:
        """The outcomes in the file, by the prediction ids of ``batches``."""
        return [
            Outcome(self.ids[i] if self.ids else f"{producer}.{i // _BATCH_ROWS}.{i % _BATCH_ROWS}", value)
            for i, value in enumerate(self.values)
            if value is not None
        ]


def read_predictions(path: Path, spec: ModelSpec, specification: ProfileSpecification) -> PredictionLog:
    """Read a prediction log. Raises InvalidInputError, one line that names the missing or invalid column."""
    digest, table = _read(path, times=(_EVENT_TIME, spec.data.timestamp))
    names = set(table.column_names)
    time_column = _EVENT_TIME if _EVENT_TIME in names else spec.data.timestamp
    needed = [time_column, "score", *(column.name for column in specification.features)]
    if len(specification.classes) > 2:
        needed.append("label")
    missing = [name for name in needed if name not in names]
    if missing:
        raise InvalidInputError(
            f"{path}: column{'s' if len(missing) > 1 else ''} {', '.join(missing)} missing; "
            f"expected {', '.join(needed)}"
        )
    times = _times(path, table, time_column, spec.data.timezone)
    order = np.argsort(times, kind="stable")
    scores = _numbers(path, table, "score")[order]
    numeric: dict[str, Floats] = {}
    categorical: dict[str, list[str | None]] = {}
    for column in specification.features:
        if isinstance(column, CategoricalColumn):
            texts = _texts(table, column.name)
            categorical[column.name] = [texts[i] for i in order]
        else:
            numeric[column.name] = _numbers(path, table, column.name)[order]
    labels = [text or "" for text in _texts(table, "label")] if "label" in names else []
    ids = [text or "" for text in _texts(table, "prediction_id")] if "prediction_id" in names else []
    values = table.column("truth").to_pylist() if "truth" in names else []
    latencies = np.empty(0, np.int64)
    if "latency_ms" in names:
        micros = np.nan_to_num(_numbers(path, table, "latency_ms")) * 1_000
        latencies = micros.clip(0, 86_400e6).astype(np.int64)[order]
    return PredictionLog(
        digest,
        times[order],
        scores,
        [labels[i] for i in order] if labels else _decide(specification, scores),
        [ids[i] for i in order] if ids else [],
        latencies,
        numeric,
        categorical,
        [_outcome(values[i]) for i in order] if values else [],
    )


def read_outcomes(path: Path) -> tuple[list[Outcome], str]:
    """The outcomes in a file, and its sha256. Raises InvalidInputError."""
    digest, table = _read(path)
    column = next((name for name in _OUTCOME_COLUMNS if name in table.column_names), None)
    if "prediction_id" not in table.column_names or column is None:
        raise InvalidInputError(
            f"{path}: found columns {', '.join(table.column_names)}; expected prediction_id and one of "
            f"{', '.join(_OUTCOME_COLUMNS)}"
        )
    ids, values = _texts(table, "prediction_id"), table.column(column).to_pylist()
    outcomes = [
        Outcome(name, value)
        for name, value in zip(ids, map(_outcome, values), strict=True)
        if name and value is not None
    ]
    return outcomes, digest


def _read(path: Path, times: tuple[str, ...] = ()) -> "tuple[str, pa.Table]":
    import pyarrow as pa
    import pyarrow.csv
    import pyarrow.json
    import pyarrow.parquet

    if not path.is_file():
        raise InvalidInputError(f"{path} is not a file: expected one that ends in {_SUFFIXES}")
    name = path.name.lower()
    try:
        if name.endswith(".parquet"):
            table = pyarrow.parquet.read_table(path)
        elif name.endswith((".csv", ".csv.gz")):
            table = pyarrow.csv.read_csv(path)
        elif name.endswith((".jsonl", ".ndjson")):
            # Left to itself Arrow reads times and drops their zone.
            texts = pa.schema([(key, pa.string()) for key in _text_keys(path) if key in times])
            options = pyarrow.json.ParseOptions(explicit_schema=texts)
            table = pyarrow.json.read_json(path, parse_options=options)
        else:
            raise InvalidInputError(f"{path}: expected a file that ends in {_SUFFIXES}")
    except (pa.ArrowException, OSError) as error:
        raise InvalidInputError(f"{path} cannot be read: {_first_line(error)}") from None
    return sha256_file(path), table


def _text_keys(path: Path) -> list[str]:
    """The keys of the first line whose values are texts; none where it is not JSON, which the reader then reports."""
    with path.open("rb") as stream:
        try:
            first = json.loads(stream.readline(1 << 20))
        except (ValueError, RecursionError):
            return []
    return [key for key, value in first.items() if isinstance(value, str)] if isinstance(first, dict) else []


def _times(path: Path, table: "pa.Table", name: str, timezone: str | None) -> Ints:
    """Event times in µs; MISSING_TIME where there is none."""
    import pyarrow as pa
    import pyarrow.compute as pc

    column = table.column(name)
    try:
        if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
            column = _parsed_texts(path, name, column)
        if not pa.types.is_timestamp(column.type):
            raise InvalidInputError(
                f"{path}: column {name} is {column.type}; expected timestamps (ISO 8601 with a zone, or a timestamp type)"
            )
        if column.type.tz is None:
            if timezone is None:
                raise InvalidInputError(
                    f"{path}: column {name} has no time zone; write one, or set data.timezone in the model file"
                )
            column = pc.assume_timezone(column, timezone, ambiguous="earliest", nonexistent="latest")
        micros = column.cast(pa.timestamp("us", tz="UTC"), safe=False).cast(pa.int64())
    except pa.ArrowException as error:
        raise InvalidInputError(f"{path}: column {name}: {_first_line(error)}") from None
    return np.asarray(pc.fill_null(micros, MISSING_TIME).to_numpy(zero_copy_only=False), np.int64)


def _parsed_texts(path: Path, name: str, column: "pa.ChunkedArray") -> "pa.ChunkedArray":
    """ISO texts as timestamps: with a zone where the first has one, else naive. Raises InvalidInputError that names the first
    text that differs."""
    import pyarrow as pa

    def fits(text: str | None, kind: "pa.DataType") -> bool:
        try:
            pa.array([text]).cast(kind)
        except pa.ArrowInvalid:
            return False
        return True

    zoned, naive = pa.timestamp("us", tz="UTC"), pa.timestamp("us")
    texts = column.to_pylist()
    present = [text for text in texts if text is not None]
    kind = next((kind for text in present for kind in (zoned, naive) if fits(text, kind)), zoned)
    try:
        return column.cast(kind)
    except pa.ArrowInvalid:
        row = next(i for i, text in enumerate(texts) if text is not None and not fits(text, kind))
        expected = "with" if kind is zoned else "without"
        raise InvalidInputError(
            f"{path}: column {name}, row {row}: found {texts[row]!r:.60}; expected ISO 8601 {expected} an offset, as elsewhere"
        ) from None


def _numbers(path: Path, table: "pa.Table", name: str) -> Floats:
    import pyarrow as pa

    column = table.column(name)
    try:
        values = column.cast(pa.float64(), safe=False)
    except pa.ArrowException:
        texts = column.to_pylist()
        row = next(
            (i for i, text in enumerate(texts) if isinstance(text, str) and not _is_number(text)), None
        )
        position = f", row {row}: found {texts[row]!r:.60}" if row is not None else f" is {column.type}"
        raise InvalidInputError(f"{path}: column {name}{position}; expected numbers") from None
    return np.asarray(values.to_numpy(zero_copy_only=False), np.float64)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _texts(table: "pa.Table", name: str) -> list[str | None]:
    return [category_text(value) for value in table.column(name).to_pylist()]


def _decide(specification: ProfileSpecification, scores: Floats) -> list[str]:
    """Labels of a binary model whose log has none; empty for a regression."""
    if not specification.classes:
        return []
    return [specification.classes[int(score >= 0.5)] for score in scores]


def _outcome(value: Any) -> str | float | None:
    if value is None or value != value:
        return None
    if isinstance(value, bool | int | float):
        return float(value)
    return str(value) or None  # in csv an empty field has no outcome


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or ["no reason given"])[0]
