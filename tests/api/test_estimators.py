"""A version in a program's own process: its answers, what is verified, and what the process does not hold."""

import json
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import pilothouse as ph
from pilothouse.inference.columns import input_columns
from pilothouse.inference.portable.packaging import packaged
from pilothouse.inference.predictor import Predictor
from pilothouse.operations import catalogue
from pilothouse.operations.models import portable_forms
from support.programs import program
from support.registered_versions import SCHEMA
from support.small_workspace import SmallWorkspace

ROWS = {"wind": [1.0, 12.0, None], "load": [0.5, 20.0, 3.0]}


def test_its_answers_are_those_of_the_version_for_every_kind_of_rows(
    client: ph.Client, shop: SmallWorkspace
) -> None:
    version = catalogue.get_version(shop.services, shop.scientist, "delay/1")
    own = Predictor(shop.services.artifacts.read(version.model_digest), SCHEMA).predict(ROWS, 3)
    model = client.load("models:/delay@champion")
    assert (model.uri, model.task, list(model.feature_names_in_)) == (
        "models:/delay/1",
        "binary",
        ["wind", "load"],
    )
    assert list(model.classes_) == ["0", "1"]
    by_name = [{"wind": w, "load": v} for w, v in zip(*ROWS.values(), strict=True)]
    array = np.array([[np.nan if v is None else v for v in row.values()] for row in by_name])
    for rows in (
        ROWS,
        pd.DataFrame(ROWS),
        pl.DataFrame(ROWS),
        pa.table(ROWS),
        by_name,
        array,
        array.tolist(),
    ):
        assert list(model.predict(rows)) == own.labels
        assert np.array_equal(model.predict_proba(rows), own.probabilities)
    with ThreadPoolExecutor(4) as pool:
        assert all(list(found) == own.labels for found in pool.map(model.predict, [ROWS] * 20))


def test_rows_that_do_not_fit_are_refused_in_one_line(client: ph.Client) -> None:
    model = client.load("delay/1")
    for rows, message in (
        ({"wind": [1.0]}, "column load missing"),
        ({"wind": ["calm"], "load": [1.0]}, "expected numbers"),
        (np.zeros((2, 3)), "expected rows of 2 features: wind, load"),
        ("text", "found a str"),
    ):
        with pytest.raises(ph.InvalidInputError, match=message):
            model.predict(rows)


HOLDS = """
import json, os, sys
import pilothouse as ph
from pilothouse.api.shared import _CLIENTS

model = ph.load("delay/1")
model.predict([{"wind": 1.0, "load": 2.0}])
names = [f"/proc/self/fd/{name}" for name in os.listdir("/proc/self/fd")]
opened = [os.readlink(name) for name in names if os.path.lexists(name)]
drivers = [name for name in sys.modules if name.partition(".")[0] in ("sqlite3", "pysqlite3", "apsw")]
desks = [client._connection.is_open for client in _CLIENTS.values()]
print(json.dumps([[path for path in opened if ".db" in path], drivers, desks]))
"""


def test_the_process_that_loads_a_model_holds_no_database(shop: SmallWorkspace) -> None:
    found = program(HOLDS, shop.root)
    assert json.loads(found.stdout) == [[], [], [False]], found.stderr


def test_the_portable_form_comes_first_and_needs_no_scikit_learn(shop: SmallWorkspace) -> None:
    version = catalogue.get_version(shop.services, shop.scientist, "delay/1")
    own = Predictor(shop.services.artifacts.read(version.model_digest), SCHEMA)
    made = packaged(own, input_columns(SCHEMA, ROWS, 3), generated=0)
    converted = portable_forms.Converted(made.data, made.reason, made.rows, {"scikit-learn": "1.0"})
    portable_forms.record_form(shop.services, shop.admin, "delay/1", converted)
    text = (
        "import sys\nimport pilothouse as ph\nmodel = ph.load('delay/1')\n"
        "print(model.portable, model.predict([{'wind': 12.0, 'load': 2.0}]), 'sklearn' in sys.modules)"
    )
    assert program(text, shop.root).stdout == "True ['1'] False\n"


def test_a_file_that_is_not_what_was_recorded_is_not_loaded(client: ph.Client, shop: SmallWorkspace) -> None:
    version = catalogue.get_version(shop.services, shop.scientist, "delay/2")
    path = shop.services.artifacts.path(version.model_digest)
    path.chmod(0o600)
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(ph.IntegrityError):
        client.load("delay/2")


def test_scikit_learn_takes_it_as_a_fitted_classifier(client: ph.Client) -> None:
    from sklearn.base import clone, is_classifier
    from sklearn.inspection import permutation_importance
    from sklearn.metrics import accuracy_score
    from sklearn.utils.validation import check_is_fitted

    model = client.load("delay/1")
    check_is_fitted(model)
    assert is_classifier(model)
    assert clone(model) is model
    found = permutation_importance(
        model, pd.DataFrame(ROWS), ["0", "1", "0"], scoring="accuracy", n_repeats=1
    )
    assert found.importances.shape == (2, 1)
    with pytest.raises(ph.InvalidInputError, match="does not change"):
        model.fit(ROWS, ["0", "1", "0"])
    assert accuracy_score(["0", "1"], model.predict([[1.0, 1.0], [19.0, 1.0]])) == 1.0


def test_whole_numbers_beyond_those_of_doubles_are_answered(client: ph.Client) -> None:
    model = client.load("models:/delay/1")
    large = {"wind": [2**60 + 1, 1], "load": [1, 2]}
    by_name = [{"wind": w, "load": v} for w, v in zip(*large.values(), strict=True)]
    assert model.predict_proba(pa.table(large)).tolist() == model.predict_proba(by_name).tolist()
