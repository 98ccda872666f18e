"""Recorded rows from the files that the operations have exported: one Arrow stream for each version and target.

Metadata of a file: ``version``, ``target``, ``region``, ``classes`` (JSON) of its outcomes, ``foreign`` (``1``: a model
elsewhere has answered). Columns: ``event_time`` (int64, µs), ``batch`` and ``place`` (its name), ``score``, ``label`` (but for
a regression), ``outcome`` (uint16 code among the classes, 65535 unknown; or float64, NaN
unknown), and each stored feature, its name behind ``feature:`` (float64, NaN where missing; or texts by dictionary).
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from pilothouse.domain.errors import IntegrityError
from pilothouse.inference.columns import InputColumns, Numbers, RepeatedTexts, numbers, with_missing
from pilothouse.inference.schema import InputSchema

FEATURE = "feature:"
UNKNOWN_CLASS = 0xFFFF


@dataclass(frozen=True, slots=True)
class Origin:
    """What a file's rows have in common."""

    version: int
    target: str
    region: str
    classes: tuple[str, ...]
    foreign: bool
    numeric: frozenset[str]
    categorical: frozenset[str]

    def lacks(self, schema: InputSchema) -> list[str]:
        """Features of a schema that these rows do not have, or have as another kind."""
        return [
            column.name
            for column in schema.columns
            if column.name not in (self.numeric if column.kind == "number" else self.categorical)
        ]


@dataclass(frozen=True, slots=True, eq=False)
class Texts:
    """Column of texts by dictionary; None in ``vocabulary`` is missing."""

    vocabulary: list[str | None]
    codes: Any

    def spelt(self, vocabulary: list[str | None]) -> list[str | None]:
        """Text of each row by another vocabulary of the same length."""
        return RepeatedTexts(vocabulary, self.codes)


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """Some rows of a file."""

    rows: int
    times: Any
    batches: Any
    places: Any
    scores: Numbers
    labels: Texts | None
    outcomes: Any
    numeric: dict[str, Numbers]
    categorical: dict[str, Texts]

    def input_of(self, schema: InputSchema) -> InputColumns:
        """Input of a version, as serving makes it of a request: words for missing are looked up once a distinct text."""
        numeric = {name: numbers(name, self.numeric[name]) for name in schema.numeric}
        plain = with_missing(schema, InputColumns(self.rows, numeric, {}))
        categorical = {}
        for name in schema.categorical:
            texts = self.categorical[name]
            own = with_missing(
                schema, InputColumns(len(texts.vocabulary), {}, {name: list(texts.vocabulary)})
            )
            categorical[name] = texts.spelt(own.categorical[name])
        return InputColumns(self.rows, plain.numeric, categorical)


def read_file(path: Path) -> tuple[Origin, Iterator[Block]]:
    """Origin of a file's rows, and its blocks one by one. Raises IntegrityError where it is no such file."""
    try:
        reader = pa.ipc.open_stream(pa.OSFile(str(path)))
        about = {key.decode(): value.decode() for key, value in (reader.schema.metadata or {}).items()}
        fields = {
            field.name.removeprefix(FEATURE): field.type
            for field in reader.schema
            if field.name.startswith(FEATURE)
        }
        origin = Origin(
            int(about["version"]),
            about["target"],
            about["region"],
            tuple(json.loads(about["classes"])),
            about["foreign"] == "1",
            frozenset(name for name, kind in fields.items() if pa.types.is_float64(kind)),
            frozenset(name for name, kind in fields.items() if pa.types.is_dictionary(kind)),
        )
    except (pa.ArrowException, KeyError, ValueError) as error:
        raise IntegrityError(f"{path.name}: no file of recorded rows: {error}") from None
    return origin, _blocks(reader)


def _blocks(reader: Any) -> Iterator[Block]:
    for batch in reader:
        named = {name: batch.column(name) for name in batch.schema.names}
        features = {
            name.removeprefix(FEATURE): column for name, column in named.items() if name.startswith(FEATURE)
        }
        texts = {
            name: _texts(column) for name, column in features.items() if pa.types.is_dictionary(column.type)
        }
        yield Block(
            batch.num_rows,
            named["event_time"].to_numpy(),
            named["batch"].to_numpy(),
            named["place"].to_numpy(),
            named["score"].to_numpy(),
            _texts(named["label"]) if "label" in named else None,
            named["outcome"].to_numpy(),
            {name: column.to_numpy() for name, column in features.items() if name not in texts},
            texts,
        )


def _texts(column: Any) -> Texts:
    return Texts(column.dictionary.to_pylist(), column.indices.to_numpy())
