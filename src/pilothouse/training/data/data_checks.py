"""Checks on the rows themselves: their columns, number, missing values and duplicates; the gates on them."""

from collections import Counter

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from pilothouse.domain.errors import InvalidInputError
from pilothouse.domain.formats.safe_text import one_line
from pilothouse.domain.models.evaluation import (
    LEAKAGE_MEASURES,
    ColumnSummary,
    GateOutcome,
    GateResult,
    leakage_by_chance,
)
from pilothouse.domain.models.model_spec import DataGate, ModelSpec
from pilothouse.inference.schema import InputSchema
from pilothouse.tables.contracts import breaches
from pilothouse.training.data.rows import Rows
from pilothouse.training.data.sources import class_order


def check_columns(table: pa.Table, spec: ModelSpec) -> None:
    """Check that the source has every column that the model file names. Raises InvalidInputError where it has not."""
    data = spec.data
    matched = {column: f"targets.match of {t.name}" for t in spec.targets for column in t.match}
    named = {data.target: "data.target", data.timestamp: "data.timestamp"}
    named |= (
        dict.fromkeys(data.features, "data.features") | dict.fromkeys(data.slices, "data.slices") | matched
    )
    for column, key in named.items():
        if column not in table.column_names:
            raise InvalidInputError(
                f"{key}: the source has no column {column!r}; it has {', '.join(table.column_names)}"
            )
    _check_target(table, spec)


def _check_target(table: pa.Table, spec: ModelSpec) -> None:
    column = table.column(spec.data.target)
    if spec.task == "regression":
        return
    if len(pc.unique(column)) > 1_000:
        raise InvalidInputError(f"data.target: {spec.data.target!r} has over 1000 values; expected classes")
    classes = class_order(column)
    if spec.task == "binary" and len(classes) > 2:
        shown = ", ".join(repr(value) for value in classes[:5])
        raise InvalidInputError(
            f"data.target: {spec.data.target!r} has {len(classes)} values ({shown}); expected two for a binary task"
        )


def duplicate_rows(table: pa.Table) -> int:
    """Number of rows that are equal, in every column, to a row before them. Rows are compared by a 64-bit hash."""
    keys = np.zeros(table.num_rows, dtype=np.uint64)
    for name in table.column_names:
        column = table.column(name)
        values = (
            column.to_pandas()
            if not pa.types.is_string(column.type)
            else column.to_pandas().astype("category")
        )
        keys = (
            # FNV-1a's prime, so that the order of the columns counts; uint64 wraps around
            keys * np.uint64(1_099_511_628_211) + pd.util.hash_pandas_object(values, index=False).to_numpy()
        )
    return int(table.num_rows - pd.unique(keys).size)


def data_gates(
    gate: DataGate,
    spec: ModelSpec,
    rows: int,
    columns: list[ColumnSummary],
    duplicates: int,
    leakage: dict[str, float],
    classes: int,
) -> list[GateResult]:
    """Gate results on the rows, each with its figures. ``classes``: number of classes of the outcome, 0 for a regression."""
    share = duplicates / rows if rows else 0.0
    missing = {c.name: c.missing / rows for c in columns if c.name in spec.data.features and rows}
    worst = max(missing, key=lambda name: missing[name], default="")
    leaks = {name: value for name, value in leakage.items() if value >= gate.leakage_auc}
    strongest = max(leakage, key=lambda name: leakage[name], default="")
    measure, by_chance = LEAKAGE_MEASURES[spec.task], leakage_by_chance(spec.task, classes)
    return [
        _verdict(
            "data.schema",
            True,
            f"all {len(spec.data.features)} features are there, of the kinds expected",
            {},
            "",
        ),
        _verdict(
            "data.rows",
            rows >= gate.minimum_rows,
            f"{rows} rows are known"
            + (
                ""
                if rows >= gate.minimum_rows
                else "; gates.data.minimum_rows of the model file asks for more"
            ),
            {"rows": rows},
            f"≥ {gate.minimum_rows} rows",
        ),
        _verdict(
            "data.missing",
            not missing or missing[worst] <= gate.maximum_missing,
            f"{worst} is missing most often, in {missing[worst]:.1%} of rows"
            if missing.get(worst)
            else "no feature is missing in any row",
            {name: value for name, value in missing.items() if value},
            f"≤ {gate.maximum_missing:.1%} in each feature",
        ),
        _verdict(
            "data.duplicates",
            share <= gate.maximum_duplicates,
            f"rows that repeat another: {duplicates} ({share:.2%})",
            {"duplicates": duplicates, "share": share},
            f"≤ {gate.maximum_duplicates:.2%} of rows",
        ),
        _verdict(
            "data.leakage",
            not leaks,
            f"{', '.join(f'{name} ({measure} {value:.3f})' for name, value in leaks.items())} alone tells the target "
            f"(chance {by_chance:.2g}): exclude it if it is not known when the model is asked"
            if leaks
            else f"no feature alone tells the target; {strongest} comes closest ({measure} {leakage[strongest]:.3f}, "
            f"chance {by_chance:.2g})",
            leakage,
            f"{measure} of a single feature < {gate.leakage_auc}",
        ),
    ]


def contract_gates(table: pa.Table, spec: ModelSpec) -> list[GateResult]:
    """The gate ``data.contract`` with the first rows that break it; none without a contract. Of columns that are carried along
    no value is named: it may say who somebody is."""
    if not spec.contract:
        return []
    data = spec.data
    shown = {*data.features, *data.slices, data.target, data.timestamp}
    found = breaches(table, spec.contract, [name for name in table.column_names if name not in shown])
    named = "; ".join(breach.text for breach in found[:_MOST_NAMED])
    more = f"; and {len(found) - _MOST_NAMED} more rules" if len(found) > _MOST_NAMED else ""
    figures: dict[str, float] = {}
    for breach in found:
        figures[breach.column] = figures.get(breach.column, 0.0) + breach.rows
    reason = (
        f"{named}{more}"
        if found
        else f"{table.num_rows} rows keep the contract of {len(spec.contract)} columns"
    )
    return [_verdict("data.contract", not found, reason, figures, "no row breaks it")]


_MOST_NAMED = 5
"""Features, and categories of each, that are named at most."""


def unseen_gate(train: Rows, holdout: Rows, schema: InputSchema) -> GateResult | None:
    """Categories of the hold-out that no training row has, which the model takes for missing; it refuses nothing, since time
    goes on. None where there are none."""
    shares: dict[str, float] = {}
    said: dict[str, str] = {}
    for name in schema.categorical:
        values = holdout.column_text(name)
        known = {*train.column_text(name), None, *schema.missing}
        counts = Counter(value for value in values if value not in known)
        if not counts:
            continue
        shares[name] = counts.total() / holdout.count
        new = [one_line(str(value), 40) for value, _ in counts.most_common(_MOST_NAMED)]
        more = f" and {len(counts) - len(new)} more" if len(counts) > len(new) else ""
        said[name] = f"{name} in {counts.total():,} ({shares[name]:.1%}): {', '.join(new)}{more}"
    if not shares:
        return None
    most = sorted(shares, key=lambda name: -shares[name])
    parts = [said[name] for name in most[:_MOST_NAMED]]
    more = f"; and of {len(most) - len(parts)} more features" if len(most) > len(parts) else ""
    reason = (
        f"of {holdout.count:,} rows held out, categories that no training row has, taken for missing: "
        f"{'; '.join(parts)}{more}"
    )
    return _verdict("data.unseen", True, reason, {name: shares[name] for name in most}, "")


def _verdict(gate: str, passed: bool, reason: str, figures: dict[str, float], bound: str) -> GateResult:
    outcome = GateOutcome.PASSED if passed else GateOutcome.FAILED
    return GateResult(gate, outcome, reason, {name: float(value) for name, value in figures.items()}, bound)
