"""Contracts beside pandera itself: over random contracts and rows both give one verdict, and YAML goes there and back."""

import os
import random
import warnings
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest

from pilothouse.domain.models.contract import ColumnRule, contract_faults
from pilothouse.interop.pandera_contracts import contract_of, schema_yaml
from pilothouse.tables.contracts import breaches, inferred

pandera = pytest.importorskip("pandera.pandas")
pandas_io = pytest.importorskip("pandera.io.pandas_io")
yaml = pytest.importorskip("yaml")
CASES = 800 if os.environ.get("PILOTHOUSE_ECOSYSTEM") == "1" else 60
NUMBERS = [0.0, -0.0, 1.0, 1.5, -2.0, 3.0, 1e15, float("nan"), None]
INFINITE = [float("inf"), float("-inf")]
TEXTS = ["A", "AB", "ABC", "A\n", "", " A", "a", "ä", "12", "None", "A|B", None]
PATTERNS = ["[A-Z]{1,3}", "A|AB", "(A|B)*", "[^a]+", "[0-9]+", "A.", ""]


def random_rule(rng: random.Random) -> ColumnRule:
    kind: Any = rng.choice(["number", "integer", "text", "time", "boolean"])
    nullable = rng.random() < 0.5
    low = high = pattern = None
    values: tuple[Any, ...] = ()
    if kind in ("number", "integer"):
        low = rng.choice([None, None, -2.0, 0.0, 1.0])
        high = rng.choice([None, None, 1.0, 3.0, 2.5])
        values = tuple(rng.sample([0.0, 1.0, 1.5, 3.0], 2)) if rng.random() < 0.3 else ()
    elif kind == "text":
        values = tuple(rng.sample([t for t in TEXTS if t is not None], 4)) if rng.random() < 0.3 else ()
        pattern = rng.choice([None, None, *PATTERNS])
    unique = not nullable and kind != "boolean" and rng.random() < 0.3
    return ColumnRule(kind, nullable, low, high, values, unique, pattern)


def random_column(rng: random.Random, kind: str, rows: int) -> pa.Array:
    wanted = kind
    if rng.random() < 0.1:
        # pandera fails on missing values of a column of booleans that is to be one of numbers
        kind = rng.choice(
            ["number", "text", "time", *([] if wanted in ("number", "integer") else ["boolean"])]
        )
    missing = rng.random() < 0.5
    if kind in ("number", "integer"):
        pool: list[Any] = [x for x in NUMBERS if missing or (x is not None and x == x)]
        pool = [x for x in pool if kind == "number" or x is None or x != 1.5 or rng.random() < 0.3]
        pool += INFINITE if kind == "number" and rng.random() < 0.3 else []
        return pa.array([rng.choice(pool) for _ in range(rows)], pa.float64())
    if kind == "text":
        texts = [t for t in TEXTS if (missing or t is not None) and (wanted == "text" or t != "12")]
        pool = rng.sample(
            texts, 5
        )  # pandera reads a number out of a text, as the door for files does before a contract is asked
        return pa.array([rng.choice(pool) for _ in range(rows)], pa.string())
    if kind == "time":
        return pa.array(
            [None if missing and rng.random() < 0.2 else rng.randrange(5) for _ in range(rows)]
        ).cast(pa.timestamp("us", "UTC"))
    return pa.array(
        [None if missing and rng.random() < 0.2 else rng.random() < 0.5 for _ in range(rows)], pa.bool_()
    )


def pandera_refuses(schema: Any, table: pa.Table) -> bool:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            schema.validate(table.to_pandas(types_mapper={pa.bool_(): pd.BooleanDtype()}.get), lazy=True)
        except (pandera.errors.SchemaErrors, pandera.errors.SchemaError):
            return True
    return False


def test_both_give_one_verdict() -> None:
    seed = random.randrange(1 << 30)
    rng = random.Random(seed)
    refused = 0
    for case in range(CASES):
        rule = random_rule(rng)
        if list(contract_faults({"x": rule}, ())):
            continue
        table = pa.table({"x": random_column(rng, rule.type, rng.randrange(1, 6))})
        if table.column("x").combine_chunks().is_null(nan_is_null=True).true_count == table.num_rows:
            continue  # a column in which all is missing tells of no type, and is refused by pandera for some
        ours = bool(breaches(table, {"x": rule}))
        theirs = pandera_refuses(pandas_io.from_yaml(schema_yaml({"x": rule})), table)
        refused += ours
        assert ours == theirs, (
            f"seed {seed} case {case}: {rule} on {table.column('x').to_pylist()} {table.schema.types}"
        )
    assert CASES // 10 < refused < CASES


def test_yaml_goes_there_and_back() -> None:
    rng = random.Random(7)
    for _ in range(CASES):
        contract = {f"column {i}: #": random_rule(rng) for i in range(3)}
        if list(contract_faults(contract, ())):
            continue
        back, notes = contract_of(yaml.safe_load(schema_yaml(contract)))
        assert back == contract
        assert notes == []
        # what pandera writes of it is read as well
        written, notes = contract_of(
            yaml.safe_load(pandas_io.to_yaml(pandas_io.from_yaml(schema_yaml(contract))))
        )
        assert (written, notes) == (back, [])


def test_rows_keep_the_contract_that_is_inferred_from_them() -> None:
    rng = random.Random(3)
    for _ in range(CASES):
        names = ("number", "integer", "text", "time", "boolean")
        table = pa.table({name: random_column(rng, name, 40) for name in names})
        contract = inferred(table, unique=names)
        assert breaches(table, contract) == []
        assert list(contract_faults(contract, ())) == []


def test_a_schema_that_cuts_fractions_off_takes_what_its_contract_refuses_and_a_note_says_so() -> None:
    written = pandas_io.to_yaml(pandera.DataFrameSchema({"x": pandera.Column(int, coerce=True)}))
    contract, notes = contract_of(yaml.safe_load(written))
    table = pa.table({"x": [1.0, 1.5]})

    assert breaches(table, contract)
    assert not pandera_refuses(pandas_io.from_yaml(written), table)
    assert notes == ["x: coerce to int64 makes fractions fit; a contract refuses them"]
    assert pandera_refuses(pandas_io.from_yaml(schema_yaml(contract)), table)
