"""MLflow's description of a model (``MLmodel``, its input example), read as text that others wrote. No model is loaded here.

Of the file's own list of trusted types nothing is taken: a file that names what it may load is no protection.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from pilothouse.domain.errors import InvalidInputError, UnavailableError
from pilothouse.domain.formats.bounded_json import JsonError, parse_json
from pilothouse.domain.formats.safe_text import one_line

LARGEST = 1 << 20
_MOST_EVENTS = 50_000
_DEEPEST = 32
MOST_ROWS = 1_000

_NUMBERS = {"double": "float64", "float": "float32", "integer": "int32", "long": "int64", "boolean": "bool"}


@dataclass(frozen=True, slots=True)
class Described:
    """What ``MLmodel`` says. ``inputs``: name and MLflow's type of each column; None where it names no columns."""

    serialization: str
    model_path: str
    inputs: list[tuple[str, str]] | None
    output: str
    """``numpy`` kind of the predictions: ``number``, ``text``, or empty where it does not say."""
    example: Mapping[str, Any]


def read_description(data: bytes) -> Described:
    """Description from the bytes of ``MLmodel``. Raises InvalidInputError, UnavailableError (the parser is not installed)."""
    plain = _parsed(data)
    flavor = _mapping(_mapping(plain, "flavors"), "sklearn")
    if not flavor:
        raise InvalidInputError("MLmodel: it is of no scikit-learn model")
    signature = _mapping(plain, "signature")
    return Described(
        serialization=str(flavor.get("serialization_format", "")),
        model_path=str(flavor.get("pickled_model", "")),
        inputs=_inputs(signature.get("inputs")),
        output=_output(signature.get("outputs")),
        example=_mapping(plain, "saved_input_example_info"),
    )


def example_rows(described: Described, data: bytes) -> pd.DataFrame:
    """Input example as a frame with the types of the signature. Raises InvalidInputError."""
    try:
        plain = parse_json(data, 200_000)
    except JsonError as error:
        raise InvalidInputError(f"its input example is no JSON: {error}") from None
    names = [name for name, _ in described.inputs or ()]
    if not (
        isinstance(plain, dict)
        and isinstance(plain.get("columns"), list)
        and isinstance(plain.get("data"), list)
    ):
        raise InvalidInputError("its input example is no table: expected columns and data")
    if [str(name) for name in plain["columns"]] != names:
        raise InvalidInputError("its input example has other columns than its signature")
    if len(plain["data"]) > MOST_ROWS or any(
        not isinstance(row, list) or len(row) != len(names) for row in plain["data"]
    ):
        raise InvalidInputError(f"its input example is no table of at most {MOST_ROWS:,} rows")
    return typed_rows(described, {name: [row[i] for row in plain["data"]] for i, name in enumerate(names)})


def typed_rows(described: Described, values: Mapping[str, list[Any]]) -> pd.DataFrame:
    """Frame of columns, each with the type that the signature gives it. Raises InvalidInputError."""
    columns: dict[str, Any] = {}
    for name, kind in described.inputs or ():
        try:
            if kind in _NUMBERS:
                absent = [np.nan if value is None else value for value in values[name]]
                columns[name] = np.asarray(
                    absent, dtype=_NUMBERS[kind] if None not in values[name] else "float64"
                )
            elif kind == "datetime":
                columns[name] = pd.to_datetime(values[name])
            elif kind == "string":
                texts = [np.nan if value is None else str(value) for value in values[name]]
                columns[name] = pd.Series(texts, dtype=object)
            else:
                raise InvalidInputError(f"its column {name!r} is of type {kind!r}, which is not re-scored")
        except (ValueError, TypeError, OverflowError) as error:
            raise InvalidInputError(
                f"its column {name!r} is not of type {kind}: {one_line(str(error))}"
            ) from None
    return pd.DataFrame(columns)


def _parsed(data: bytes) -> Mapping[str, Any]:
    """YAML as plain data: bounded, without anchors, by the parser that builds no objects."""
    try:
        import yaml
    except ModuleNotFoundError:
        raise UnavailableError("a re-scoring needs pyyaml: pip install 'pilothouse[mlflow]'") from None
    if len(data) > LARGEST:
        raise InvalidInputError(f"MLmodel: {len(data):,} bytes; expected {LARGEST:,} at most")
    try:
        depth = 0
        for count, event in enumerate(yaml.parse(data, Loader=yaml.SafeLoader)):
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if isinstance(event, yaml.AliasEvent) or depth > _DEEPEST or count > _MOST_EVENTS:
                raise InvalidInputError(
                    "MLmodel: it has references, or is larger or deeper than such a file is"
                )
        plain = yaml.safe_load(data)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise InvalidInputError(f"MLmodel: it is no YAML ({one_line(str(error), 120)})") from None
    if not isinstance(plain, dict):
        raise InvalidInputError("MLmodel: it is no table of names")
    return plain


def _inputs(text: object) -> list[tuple[str, str]] | None:
    columns = _signature(text)
    if not columns or any("name" not in one or not isinstance(one.get("type"), str) for one in columns):
        return None
    return [(str(one["name"]), str(one["type"])) for one in columns]


def _output(text: object) -> str:
    columns = _signature(text)
    if len(columns) != 1:
        return ""
    kind = columns[0].get("type")
    if kind == "tensor":
        dtype = str(_mapping(columns[0], "tensor-spec").get("dtype", ""))
        return (
            "number"
            if dtype.startswith(("int", "uint", "float", "bool"))
            else "text"
            if dtype in ("str", "object")
            else ""
        )
    return "number" if kind in _NUMBERS else "text" if kind == "string" else ""


def _signature(text: object) -> list[dict[str, Any]]:
    if not isinstance(text, str):
        return []
    try:
        plain = json.loads(text)
    except (ValueError, RecursionError):
        return []
    return plain if isinstance(plain, list) and all(isinstance(one, dict) for one in plain) else []


def _mapping(plain: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = plain.get(name)
    return found if isinstance(found, dict) else {}
