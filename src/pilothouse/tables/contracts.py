"""Whether rows keep a contract, which rows break it, and a contract as the rows that are there would keep it."""

import math
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from pilothouse.domain.formats.safe_text import one_line
from pilothouse.domain.models.contract import ColumnRule

MOST_EXAMPLES = 3
_MOST_VALUES = 30
"""Distinct texts up to which a column is taken for categories."""


@dataclass(frozen=True, slots=True)
class Breach:
    """A rule that rows break. ``rows``: how many; ``examples``: the first of them by their place, from 1, with the value where
    the column's values may be shown."""

    column: str
    rule: str
    rows: int
    examples: tuple[tuple[int, str], ...] = ()

    @property
    def text(self) -> str:
        """``wind: 12 rows above 60 (row 17: 61.2; row 40: 70)``."""
        shown = "; ".join(f"row {row}" + (f": {value}" if value else "") for row, value in self.examples)
        count = f"{self.rows:,} row{'s' if self.rows != 1 else ''} " if self.rows else ""
        return f"{one_line(self.column, 80)}: {count}{self.rule}" + (f" ({shown})" if shown else "")


def breaches(
    table: pa.Table, contract: Mapping[str, ColumnRule], hidden: Collection[str] = ()
) -> list[Breach]:
    """Every rule that a row of ``table``, of a snapshot's few types, breaks. Values of columns in ``hidden`` are not named."""
    found: list[Breach] = []
    for name, rule in contract.items():
        if name not in table.column_names:
            found.append(Breach(name, "the column is not there", 0))
            continue
        column = table.column(name).combine_chunks()
        column = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
        found += _of_column(name, column, rule, name in hidden)
    return found


def _of_column(name: str, column: pa.Array, rule: ColumnRule, is_hidden: bool) -> list[Breach]:
    found = []
    for words, mask in broken_rows(column, rule):
        if mask is None:
            found.append(Breach(name, words, 0))
            continue
        rows = np.flatnonzero(mask)
        if not len(rows):
            continue
        first = [int(row) for row in rows[:MOST_EXAMPLES]]
        examples = tuple((row + 1, "" if is_hidden else shown(column[row].as_py())) for row in first)
        found.append(Breach(name, words, len(rows), examples))
    return found


def broken_rows(column: pa.Array, rule: ColumnRule) -> Iterator[tuple[str, NDArray[np.bool_] | None]]:
    """Each rule of a column, in words, with the rows that break it, bool[rows]; None where the whole column does: it is of
    another type, or its pattern cannot be matched."""

    def broken(mask: pa.Array, words: str) -> tuple[str, NDArray[np.bool_]]:
        return words, pc.fill_null(mask, False).to_numpy(zero_copy_only=False)

    missing = pc.is_null(column, nan_is_null=True)
    if not rule.nullable:
        yield broken(missing, "missing")
    if pc.all(missing).as_py():  # no value tells of a type
        return
    column = pc.if_else(missing, pa.scalar(None, column.type), column)
    if (values := _as_type(column, rule)) is None:
        yield f"is a column of {column.type}; expected the type {rule.type}", None
        return
    if rule.type == "integer":
        whole = (
            pc.equal(pc.floor(values), values) if pa.types.is_floating(values.type) else pc.is_valid(values)
        )
        infinite = pc.is_inf(values) if pa.types.is_floating(values.type) else pa.scalar(False)
        yield broken(pc.or_(pc.invert(whole), infinite), "no whole number")
    if rule.type == "boolean" and not pa.types.is_boolean(values.type):
        one_or_zero = pc.or_(pc.equal(values, 0), pc.equal(values, 1))
        yield broken(pc.invert(one_or_zero), "neither true nor false")
    if rule.minimum is not None:
        yield broken(pc.less(_as_doubles(values), rule.minimum), f"below {rule.minimum:g}")
    if rule.maximum is not None:
        yield broken(pc.greater(_as_doubles(values), rule.maximum), f"above {rule.maximum:g}")
    if rule.values:
        kind = pa.string() if rule.type == "text" else pa.float64()
        among = pc.is_in(
            values if rule.type == "text" else _as_doubles(values), value_set=pa.array(rule.values, kind)
        )
        yield broken(pc.and_(pc.is_valid(values), pc.invert(among)), "with a value that is not in the list")
    if rule.pattern is not None:
        try:
            matched = pc.match_substring_regex(values, f"^(?:{rule.pattern})$")
            yield broken(pc.invert(matched), "that do not match the pattern")
        except (
            pa.ArrowInvalid
        ):  # the engine takes fewer repetitions than Python's, by which the model file was read
            yield "has a pattern of too many repetitions; expected at most 1,000 in all", None
    if rule.unique:
        codes = pc.dictionary_encode(values).indices
        counts = np.bincount(codes.drop_null().to_numpy()) if len(codes) - codes.null_count else np.array([])
        repeated = np.zeros(len(codes), bool)
        known = pc.is_valid(codes).to_numpy(zero_copy_only=False)
        repeated[known] = counts[codes.drop_null().to_numpy()] > 1 if known.any() else False
        yield broken(pa.array(repeated), "with a value that another row has too")


def _as_type(column: pa.Array, rule: ColumnRule) -> pa.Array | None:
    """Column in the type of the rule, by the rule of files: true and false are 1 and 0. None where it is of another type."""
    kind = column.type
    is_number = pa.types.is_integer(kind) or pa.types.is_floating(kind)
    match rule.type:
        case "number" | "integer":
            if pa.types.is_floating(kind):
                return pc.add(column, 0.0)  # Arrow's sets and dictionaries tell -0.0 from 0.0
            return column.cast(pa.int64()) if pa.types.is_boolean(kind) else column if is_number else None
        case "text":
            return column if pa.types.is_string(kind) else None
        case "time":
            return column if pa.types.is_timestamp(kind) else None
        case "boolean":
            return column if pa.types.is_boolean(kind) or is_number else None


def _as_doubles(values: pa.Array) -> pa.Array:
    """Numbers as the doubles nearest to them; Arrow's own comparison refuses whole numbers beyond 2**53."""
    return values.cast(pa.float64(), safe=False)


def shown(value: object) -> str:
    """A value as one short line."""
    text = "missing" if value is None or (isinstance(value, float) and math.isnan(value)) else str(value)
    return one_line(text, 60)


def inferred(
    table: pa.Table, unique: Collection[str] = (), open_values: Collection[str] = ()
) -> dict[str, ColumnRule]:
    """A contract that the rows of ``table`` keep. Ranges are the least and the greatest number; texts of few values are
    listed but in ``open_values``; columns in ``unique`` are promised to be so where they are."""
    contract = {}
    for name in table.column_names:
        column = table.column(name).combine_chunks()
        column = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
        missing = pc.is_null(column, nan_is_null=True)
        nullable = bool(pc.any(missing).as_py())
        present = column.filter(pc.invert(missing))
        rule = _inferred(present, nullable, name in open_values)
        if rule is None:
            continue
        if name in unique and not nullable and len(pc.unique(present)) == len(present):
            rule = ColumnRule(rule.type, False, rule.minimum, rule.maximum, (), True, rule.pattern)
        contract[name] = rule
    return contract


def _inferred(present: pa.Array, nullable: bool, is_open: bool) -> ColumnRule | None:
    kind = present.type
    if pa.types.is_timestamp(kind):
        return ColumnRule("time", nullable)
    if pa.types.is_boolean(kind):
        return ColumnRule("boolean", nullable)
    if pa.types.is_string(kind):
        few = pc.unique(present)
        listed = not is_open and 0 < len(few) <= _MOST_VALUES and len(few) * 10 <= len(present)
        return ColumnRule("text", nullable, values=tuple(sorted(few.to_pylist())) if listed else ())
    if not (pa.types.is_integer(kind) or pa.types.is_floating(kind)) or not len(present):
        return None
    is_whole = pa.types.is_integer(kind) or bool(pc.all(pc.equal(pc.floor(present), present)).as_py())
    ends = pc.min_max(present)
    low, high = float(ends["min"].as_py()), float(ends["max"].as_py())
    whole = is_whole and math.isfinite(low) and math.isfinite(high)
    return ColumnRule(
        "integer" if whole else "number",
        nullable,
        low if math.isfinite(low) else None,
        high if math.isfinite(high) else None,
    )
