"""A contract as the YAML of a schema of pandera (``pandera.io.from_yaml``), and from one.

pandera compares missing values with nothing, as a contract does, so that both give one verdict.
Its check ``str_matches`` looks at a text's beginning, so that the pattern is written with both its ends.
"""

import json
import math
import re
from collections.abc import Mapping
from typing import Any

from pilothouse.domain.formats.safe_text import one_line
from pilothouse.domain.models.contract import ColumnRule, ColumnType

_TYPES: dict[ColumnType, str] = {
    "number": "float64",
    "integer": "Int64",
    "text": "str",
    "time": "datetime64[us, UTC]",
    "boolean": "boolean",
}
_CUTTING = re.compile(r"u?int\d*|bool")
"""NumPy's types, to which pandera's coerce casts without a look: 1.5 is 1, 300 as int8 is 44. Int64 and boolean refuse both."""
_BEGIN, _END = "^(?:", r")\Z"
_MINIMUM, _MAXIMUM = "greater_than_or_equal_to", "less_than_or_equal_to"
_COLUMN_KEYS = frozenset(
    {
        "dtype",
        "nullable",
        "unique",
        "coerce",
        "required",
        "regex",
        "title",
        "description",
        "checks",
        "metadata",
        "default",
    }
)


def schema_yaml(contract: Mapping[str, ColumnRule]) -> str:
    """YAML of the schema; texts are written as JSON has them, which YAML reads."""
    lines = ["schema_type: dataframe", "api: pandas", "columns:"]
    for name, rule in contract.items():
        lines += [f"  {json.dumps(name)}:", f"    dtype: {_TYPES[rule.type]}"]
        lines += [f"    nullable: {json.dumps(rule.nullable)}"]
        lines += ["    coerce: true"] if rule.type in ("number", "integer", "boolean") else []
        lines += ["    unique: true"] if rule.unique else []
        lines += [f"    {_MINIMUM}: {_number(rule.minimum)}"] if rule.minimum is not None else []
        lines += [f"    {_MAXIMUM}: {_number(rule.maximum)}"] if rule.maximum is not None else []
        if rule.values:
            lines += ["    isin:", *(f"    - {_value(value)}" for value in rule.values)]
        lines += (
            [f"    str_matches: {json.dumps(_BEGIN + rule.pattern + _END)}"]
            if rule.pattern is not None
            else []
        )
    return "\n".join(lines) + "\n"


def _number(value: float) -> str:
    if math.isinf(value):
        return ".inf" if value > 0 else "-.inf"
    return repr(int(value)) if value.is_integer() and abs(value) < 1 << 53 else repr(float(value))


def _value(value: str | float) -> str:
    return json.dumps(value) if isinstance(value, str) else _number(float(value))


def contract_of(plain: Any) -> tuple[dict[str, ColumnRule], list[str]]:
    """Contract in a schema that was read from YAML, and one line for each part of it that a contract cannot say."""
    columns = plain.get("columns") if isinstance(plain, dict) else None
    if not isinstance(columns, dict):
        return {}, ["the schema has no columns"]
    contract, notes = {}, []
    for name, column in columns.items():
        shown = one_line(str(name), 80)
        if not isinstance(column, dict) or (kind := _type_of(column.get("dtype"))) is None:
            dtype = column.get("dtype") if isinstance(column, dict) else None
            notes.append(f"{shown}: the type {one_line(str(dtype), 40)} is none of a contract; left out")
            continue
        if column.get("regex") or column.get("required") is False:
            notes.append(f"{shown}: is a pattern of names, or may be absent; left out")
            continue
        contract[str(name)] = _rule(shown, kind, column, notes)
        if (column.get("coerce") or plain.get("coerce")) and _CUTTING.fullmatch(str(column["dtype"])):
            notes.append(f"{shown}: coerce to {column['dtype']} makes fractions fit; a contract refuses them")
    for key in ("checks", "index", "strict", "ordered"):
        if plain.get(key):
            notes.append(f"{key} of the whole schema: not taken")
    return contract, notes


def _rule(shown: str, kind: ColumnType, column: Mapping[str, Any], notes: list[str]) -> ColumnRule:
    checks = {key: value for key, value in column.items() if key not in _COLUMN_KEYS}
    nested = column.get("checks")
    checks |= nested if isinstance(nested, dict) else {}
    rule: dict[str, Any] = {}
    for name, value in checks.items():
        given = value.get("value", value) if isinstance(value, dict) and "options" in value else value
        if name in (_MINIMUM, _MAXIMUM) and _is_number(given):
            rule["minimum" if name == _MINIMUM else "maximum"] = float(given)
        elif name == "isin" and isinstance(given, list) and _are_values(kind, given):
            rule["values"] = tuple(v if isinstance(v, str) else float(v) for v in given)
        elif name == "str_matches" and isinstance(given, str) and (pattern := _pattern(given)) is not None:
            rule["pattern"] = pattern
        else:
            notes.append(f"{shown}: the check {one_line(str(name), 40)} is none of a contract; not taken")
    nullable = column.get("nullable") is True
    unique = column.get("unique") is True
    if unique and nullable:
        notes.append(f"{shown}: unique with nullable: pandera takes two missing values for equal; not taken")
    return ColumnRule(kind, nullable, unique=unique and not nullable, **rule)


def _type_of(dtype: Any) -> ColumnType | None:
    text = str(dtype).lower()
    beginnings: dict[str, ColumnType] = {
        "float": "number",
        "int": "integer",
        "uint": "integer",
        "str": "text",
        "object": "text",
        "datetime": "time",
        "bool": "boolean",
    }
    return next((kind for beginning, kind in beginnings.items() if text.startswith(beginning)), None)


def _pattern(text: str) -> str | None:
    """Pattern of a whole text; None where the check looks at a beginning alone."""
    for end in (r"\Z", r"\z", "$"):
        if text.endswith(end) and not text.endswith("\\" + end):
            inner = text.removesuffix(end).removeprefix("^")
            return (
                inner[3:-1] if inner.startswith("(?:") and inner.endswith(")") and _is_one(inner) else inner
            )
    return None


def _is_one(text: str) -> bool:
    """True where the first bracket is closed by the last."""
    depth = 0
    for i, letter in enumerate(text):
        depth += (letter == "(") - (letter == ")")
        if depth == 0:
            return i == len(text) - 1
    return False


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _are_values(kind: ColumnType, values: list[Any]) -> bool:
    return all(isinstance(value, str) if kind == "text" else _is_number(value) for value in values)
