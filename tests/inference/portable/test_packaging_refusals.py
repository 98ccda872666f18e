"""Models that refuse some values: what they take is compared on whole calls all the same, and their refusals too."""

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder

from pilothouse.inference.columns import InputColumns
from pilothouse.inference.portable import packaging
from pilothouse.inference.portable.archive import from_bytes, to_bytes
from pilothouse.inference.portable.generated_rows import OF_NUMBERS, OF_TEXTS, generated_rows
from pilothouse.inference.portable.packaging import packaged
from pilothouse.inference.portable.program import Node, Program
from pilothouse.inference.predictor import Predictor
from pilothouse.inference.safe_format import dump_model
from pilothouse.inference.schema import InputColumn, InputSchema

ROWS = 200
SCHEMA = InputSchema(
    "made-up",
    "binary",
    ("no", "yes"),
    "ts",
    (
        InputColumn("a", "number"),
        InputColumn("b", "number"),
        InputColumn("p", "category"),
        InputColumn("q", "category"),
    ),
)


@pytest.fixture(scope="module")
def strict() -> tuple[Predictor, InputColumns]:
    """Model that takes missing values in ``a`` alone and unseen texts in ``q`` alone, and its rows."""
    draw = np.random.default_rng(3)
    table = pd.DataFrame({"a": draw.normal(size=ROWS).round(2), "b": draw.normal(size=ROWS).round(2)})
    table.loc[draw.random(ROWS) < 0.1, "a"] = np.nan
    for name in ("p", "q"):
        table[name] = pd.Series(draw.choice(["x", "y", "z"], ROWS), dtype=object)
    model = make_pipeline(
        ColumnTransformer(
            [
                ("a", SimpleImputer(), ["a"]),
                ("b", FunctionTransformer(np.cbrt), ["b"]),
                ("p", OneHotEncoder(handle_unknown="error"), ["p"]),
                ("q", OneHotEncoder(handle_unknown="ignore"), ["q"]),
            ]
        ),
        LogisticRegression(),
    )
    model.fit(table, np.where(table["a"].fillna(0) + table["b"] > 0, "yes", "no"))
    sample = InputColumns(
        ROWS, {c: table[c].to_numpy() for c in "ab"}, {c: table[c].tolist() for c in ("p", "q")}
    )
    return Predictor(dump_model(model), SCHEMA), sample


def asked_of(monkeypatch, original, sample, **options):
    """Result of packaging, and what both forms were asked for and answered (None where refused)."""
    asked = []
    answer = packaging._answer

    def seen(predictor, columns):
        found = answer(predictor, columns)
        if predictor is original:
            asked.append((columns, found))
        return found

    monkeypatch.setattr(packaging, "_answer", seen)
    return packaged(original, sample, **options), asked


def test_rows_are_generated_without_what_a_column_refuses(strict, monkeypatch):
    result, asked = asked_of(monkeypatch, *strict, generated=1000)
    assert result.reason == ""
    assert result.rows == ROWS + 1000
    (whole,) = [columns for columns, found in asked if columns.rows == 1000 and found is not None]
    assert np.isnan(whole.numeric["a"]).any()
    assert not np.isnan(whole.numeric["b"]).any()
    assert set(whole.categorical["p"]) == {"x", "y", "z"}
    assert {"x", "y", "z", None} < set(whole.categorical["q"])
    blocks = [found for columns, found in asked if columns.rows == packaging.BLOCK_ROWS]
    assert blocks
    assert None not in blocks
    alone = [columns for columns, found in asked if found is None and columns.rows == 1]
    assert any(np.isnan(columns.numeric["b"]).any() for columns in alone)
    assert any(columns.categorical["p"] not in (["x"], ["y"], ["z"]) for columns in alone)


def test_only_rows_that_were_answered_count(strict):
    original, sample = strict
    texts = list(sample.categorical["p"])
    texts[::5] = ["new"] * len(texts[::5])
    spoilt = InputColumns(ROWS, sample.numeric, sample.categorical | {"p": texts})
    assert packaged(original, spoilt, generated=0).rows == ROWS - len(texts[::5])
    nothing = InputColumns(ROWS, sample.numeric, sample.categorical | {"p": ["new"] * ROWS})
    result = packaged(original, nothing, generated=0)
    assert (result.data, result.rows) == (None, 0)
    assert "refuses every row" in result.reason


@pytest.mark.parametrize("taken", [True, False])
def test_a_refusal_of_one_form_alone_is_found(strict, monkeypatch, taken):
    """The portable form takes, or refuses, unseen texts where scikit-learn does otherwise."""
    original, sample = strict
    convert = packaging.converted

    def other(model, schema):
        program = convert(model, schema)

        def changed(node: Node) -> Node:
            arrays = dict(node.arrays)
            if node.op == "one-hot":
                places = arrays["places"].copy()
                places[-2] = -1 if taken else -2
                arrays["places"] = places
            return Node(node.op, node.settings, arrays, tuple(map(changed, node.children)))

        return Program(changed(program.root), program.features, program.answers, program.known)

    monkeypatch.setattr(packaging, "converted", other)
    result = packaged(original, sample, generated=500)
    assert result.data is None
    assert "alone refuses" in result.reason


def test_a_column_has_the_kinds_of_values_that_it_is_tried_with(strict):
    original, sample = strict
    program = from_bytes(to_bytes(packaging.converted(original.model, SCHEMA)))
    plain = generated_rows(program, SCHEMA, sample, 500, 1, {})
    assert set(plain.numeric["b"]) <= set(sample.numeric["b"])
    assert set(plain.categorical["q"]) == {"x", "y", "z"}
    tried = generated_rows(program, SCHEMA, sample, 500, 1, {"b": OF_NUMBERS, "q": OF_TEXTS})
    assert np.isnan(tried.numeric["b"]).any()
    assert (np.abs(tried.numeric["b"]) > 1e299).any()
    assert len(set(tried.categorical["q"])) == 5
    assert not np.isnan(tried.numeric["a"]).any()
