"""JSON schemas of a version's requests and answers, from the facts that the readers and writers of them go by."""

from collections.abc import Mapping
from typing import Any

from pilothouse.inference.schema import InputColumn, InputSchema
from pilothouse.serving.bodies import csv_records, invocations
from pilothouse.serving.bodies.protocol import MAXIMUM_ID, MAXIMUM_ROWS, model_metadata
from pilothouse.serving.bodies.tensors import EARLIEST_US, LATEST_US, MAXIMUM_TEXT
from pilothouse.serving.versions.live_versions import LoadedVersion

Schema = Mapping[str, Any]
_JSON = "application/json"

_INTEGER_BITS = (8, 16, 32, 64)
_INTEGERS = [f"{sign}INT{bits}" for sign in ("", "U") for bits in _INTEGER_BITS]
_FLOATS = ["FP64", "FP32", "FP16", "BF16"]
_NUMBER_OR_NULL: Schema = {"type": ["number", "null"]}
_TEXT: Schema = {"type": "string"}


def _object(properties: Mapping[str, Any], *optional: str, closed: bool = False) -> dict[str, Any]:
    found = {
        "type": "object",
        "required": [name for name in properties if name not in optional],
        "properties": dict(properties),
    }
    return {**found, "additionalProperties": False} if closed else found


def _list(of: Schema, **bounds: int) -> dict[str, Any]:
    return {"type": "array", "items": of, **bounds}


def error(_: LoadedVersion | None = None) -> Schema:
    """Every error."""
    return _object({"error": _TEXT}, closed=True)


def flag(name: str) -> Schema:
    """Object with one flag."""
    return _object({name: {"type": "boolean"}})


def server(_: LoadedVersion | None) -> Schema:
    return _object({"name": _TEXT, "version": _TEXT, "extensions": _list(_TEXT)})


def live(_: LoadedVersion | None) -> Schema:
    return flag("live")


def alive(_: LoadedVersion | None) -> Schema:
    return _object({"status": {"const": "alive"}})


def ready(_: LoadedVersion | None) -> Schema:
    return flag("ready")


def model_ready(_: LoadedVersion | None) -> Schema:
    return _object({"name": _TEXT, "ready": {"type": "boolean"}})


def index(_: LoadedVersion | None) -> Schema:
    states = {"enum": ["READY", "LOADING", "UNAVAILABLE"]}
    return _list(_object({"name": _TEXT, "version": _TEXT, "state": states, "reason": _TEXT}))


def models(_: LoadedVersion | None) -> Schema:
    return _object({"models": _list(_TEXT)})


def nothing_shared(_: LoadedVersion | None) -> Schema:
    return {"type": "array", "maxItems": 0}


def metadata(loaded: LoadedVersion | None) -> Schema:
    tensor = _object({"name": _TEXT, "datatype": _TEXT, "shape": _list({"type": "integer"})})
    return _object(
        {
            "name": _const(loaded, "name"),
            "versions": _list(_TEXT),
            "platform": _TEXT,
            "inputs": _list(tensor),
            "outputs": _list(tensor),
        }
    )


def config(loaded: LoadedVersion | None) -> Schema:
    tensor = _object({"name": _TEXT, "data_type": _TEXT, "dims": _list({"type": "integer"})})
    return _object(
        {
            "name": _const(loaded, "name"),
            "platform": _TEXT,
            "backend": _TEXT,
            "max_batch_size": {"type": "integer"},
            "input": _list(tensor),
            "output": _list(tensor),
        }
    )


def statistics(_: LoadedVersion | None) -> Schema:
    count = {"type": "integer", "minimum": 0}
    one = _object(
        {
            "name": _TEXT,
            "version": _TEXT,
            "last_inference": count,
            "inference_count": count,
            "execution_count": count,
            "inference_stats": {
                "type": "object",
                "additionalProperties": _object({"count": count, "ns": count}),
            },
        }
    )
    return _object({"model_stats": _list(one)})


def _const(loaded: LoadedVersion | None, _: str) -> Schema:
    return _TEXT if loaded is None else {"const": loaded.version.model}


def tensors_bodies(loaded: LoadedVersion) -> Mapping[str, Schema]:
    """Body of ``infer``: a tensor a feature. That their lengths are the rows of their shapes no schema can say."""
    schema = loaded.schema
    tensors = [_feature_tensor(column) for column in schema.columns]
    needed = [
        {"contains": {"type": "object", "required": ["name"], "properties": {"name": {"const": c.name}}}}
        for c in schema.columns
    ]
    stamp = _stamp(schema)
    if stamp:
        times = {"type": ["string", "integer", "null"]}
        tensors.append(_tensor(stamp, ["BYTES", "INT64"], times))
    switches = {key: {"type": ["boolean", "null"]} for key in ("report", "binary_data_output")}
    outputs = [output["name"] for output in model_metadata(schema, [1], portable=True)["outputs"]]
    body = _object(
        {
            "inputs": {
                "type": "array",
                "items": {"anyOf": tensors},
                "minItems": len(schema.columns),
                "maxItems": len(tensors),
                "allOf": needed,
            },
            "id": {"type": ["string", "null"], "maxLength": MAXIMUM_ID},
            "outputs": {**_list(_object({"name": {"enum": outputs}})), "type": ["array", "null"]},
            "parameters": {**_object(switches, *switches), "type": ["object", "null"]},
        },
        "id",
        "outputs",
        "parameters",
    )
    return {_JSON: body}


def _feature_tensor(column: InputColumn) -> dict[str, Any]:
    if column.kind == "number":
        return _tensor(column.name, [*_FLOATS, *_INTEGERS, "BOOL"], {"type": ["number", "boolean", "null"]})
    values = {"type": ["string", "integer", "boolean", "null"], "maxLength": MAXIMUM_TEXT}
    return _tensor(column.name, ["BYTES", *_INTEGERS, "BOOL"], values)


def _tensor(name: str, datatypes: list[str], value: Schema) -> dict[str, Any]:
    size = {"type": "integer", "minimum": 1, "maximum": MAXIMUM_ROWS}
    return _object(
        {
            "name": {"const": name},
            "shape": _list(size, minItems=1, maxItems=2),
            "datatype": {"enum": datatypes},
            "data": _list(
                {"anyOf": [value, _list(value, minItems=1, maxItems=1)]}, minItems=1, maxItems=MAXIMUM_ROWS
            ),
        }
    )


def tensors_answer(loaded: LoadedVersion | None) -> Schema:
    tensor = _object(
        {"name": _TEXT, "datatype": _TEXT, "shape": _list({"type": "integer"}), "data": {"type": "array"}},
        "data",
    )
    return _object(
        {
            "model_name": _const(loaded, "name"),
            "model_version": _TEXT,
            "id": _TEXT,
            "outputs": _list(tensor),
        },
        "id",
    )


def records_bodies(loaded: LoadedVersion) -> Mapping[str, Schema]:
    """Bodies of ``predict``: JSON with an object a row, or csv."""
    body = _object(
        {
            "rows": _list(_row(loaded), minItems=1, maxItems=MAXIMUM_ROWS),
            "id": {"type": ["string", "null"], "maxLength": MAXIMUM_ID},
            "report": {"type": ["boolean", "null"]},
        },
        "id",
        "report",
        closed=True,
    )
    return {_JSON: body, csv_records.MEDIA: _TEXT}


def _row(loaded: LoadedVersion) -> dict[str, Any]:
    """Row of values by column: every feature may be left out, and one at least is there."""
    schema = loaded.schema
    number: Schema = {"anyOf": [{"type": ["number", "boolean", "null"]}, {"const": ""}]}
    category: Schema = {"type": ["string", "number", "boolean", "null"], "maxLength": MAXIMUM_TEXT}
    properties: dict[str, Any] = {
        column.name: number if column.kind == "number" else category for column in schema.columns
    }
    if stamp := _stamp(schema):
        properties[stamp] = {
            "anyOf": [
                {"type": "string", "format": "date-time"},
                {"const": ""},
                {"type": "integer", "minimum": EARLIEST_US, "maximum": LATEST_US},
                {"type": "null"},
            ]
        }
    names = [column.name for column in schema.columns]
    for name in sorted({*loaded.private, *schema.dropped} - properties.keys()):
        properties[name] = {"description": "private or excluded: dropped before anything is stored"}
    row = _object(properties, *properties, closed=True)
    return {**row, "anyOf": [{"required": [name]} for name in names]}


def records_answer(loaded: LoadedVersion | None) -> Schema:
    row = _object(
        {
            "prediction": {"type": ["string", "number"]},
            "score": {"type": "number"},
            "probabilities": {"type": "object", "additionalProperties": {"type": "number"}},
            "prediction_id": _TEXT,
            "model": _TEXT,
            "version": {"type": "integer"},
        },
        "probabilities",
    )
    return _object(
        {
            "model": _const(loaded, "model"),
            "version": {"type": "integer"},
            "id": _TEXT,
            "positive_class": _TEXT,
            "rows": _list(row),
            "report": {"type": "array"},
        },
        "id",
        "positive_class",
        "report",
    )


def invocation_bodies(loaded: LoadedVersion) -> Mapping[str, Schema]:
    """Bodies of MLflow's ``invocations``."""
    rows = _list(_row(loaded), minItems=1, maxItems=MAXIMUM_ROWS)
    forms = [_invocation(name, rows) for name in ("dataframe_records", "instances", "inputs")]
    forms.append(_invocation("dataframe_split", _split(loaded)))
    return {_JSON: {"oneOf": forms}, csv_records.MEDIA: _TEXT}


def _invocation(name: str, values: Schema) -> dict[str, Any]:
    """Body with its rows in one of the forms; keys that no form has are left alone."""
    others = {other: {"type": "null"} for other in invocations.FORMS if other != name}
    no_parameters = {"type": ["object", "null"], "maxProperties": 0}
    return _object({name: values, **others, "params": no_parameters}, *others, "params")


def _split(loaded: LoadedVersion) -> dict[str, Any]:
    """Frame without names: its columns are the features in their order."""
    properties = _row(loaded)["properties"]
    values = [properties[column.name] for column in loaded.schema.columns]
    wide = len(values)
    row = {"type": "array", "prefixItems": values, "items": False, "minItems": wide, "maxItems": wide}
    return _object(
        {
            "data": _list(row, minItems=1, maxItems=MAXIMUM_ROWS),
            "columns": {"enum": [[c.name for c in loaded.schema.columns], None]},
        },
        "columns",
    )


def instances_bodies(loaded: LoadedVersion) -> Mapping[str, Schema]:
    """Body of version 1 of KServe's protocol."""
    rows = _list(_row(loaded), minItems=1, maxItems=MAXIMUM_ROWS)
    return {_JSON: _invocation("instances", rows)}


def predictions(_: LoadedVersion | None) -> Schema:
    return _object(
        {
            "predictions": _list({"type": ["string", "number"]}),
            "scores": _list({"type": "number"}),
            "prediction_ids": _list(_TEXT),
            "model": _TEXT,
            "version": {"type": "integer"},
        }
    )


def _stamp(schema: InputSchema) -> str:
    """Name of the column of times, empty where it is a feature or there is none."""
    return "" if any(column.name == schema.timestamp for column in schema.columns) else schema.timestamp
