"""Fitting: any estimator of scikit-learn, a search, or the user's own function."""

import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from steps_support import Bench, rows, spec

from pilothouse.domain.jobs.jobs import StepResult
from pilothouse.domain.models.model_file import spec_from_plain
from pilothouse.inference.schema import InputSchema
from pilothouse.training.data.rows import read_rows
from pilothouse.training.models.scoring import load_predictor, score


def fitted(bench: Bench, *, code: str = "", **changes: object) -> StepResult:
    plain = spec(**changes)
    snapshot = bench.run("snapshot", plain, {"source": bench.source()})
    assert snapshot.ok, snapshot.error
    folder = bench.folder / "models"
    folder.mkdir(exist_ok=True)
    (folder / "train.py").write_text(code)
    return bench.run("fit", plain, {"train": snapshot.outputs["train"], "model_folder": folder})


def accuracy(bench: Bench, result: StepResult) -> float:
    predictor = load_predictor(Path(result.outputs["model"]), Path(result.outputs["schema"]))
    held = read_rows(bench.folder / "snapshot" / "holdout.parquet", spec_from_plain(spec()))
    scored = score(predictor, held)
    return float(np.mean(scored.labels == held.outcomes))


@pytest.mark.parametrize(
    ("estimator", "parameters"),
    [
        ("sklearn.ensemble.HistGradientBoostingClassifier", {"max_iter": 20}),
        ("sklearn.ensemble.RandomForestClassifier", {"n_estimators": 15, "min_samples_leaf": 10}),
        ("sklearn.ensemble.GradientBoostingClassifier", {"n_estimators": 15}),
        ("sklearn.linear_model.LogisticRegression", {"C": 0.5}),
        ("sklearn.neighbors.KNeighborsClassifier", {"n_neighbors": 25}),
        ("sklearn.naive_bayes.GaussianNB", {}),
        (
            "sklearn.neural_network.MLPClassifier",
            {"max_iter": 200, "hidden_layer_sizes": 8, "tol": 0.01, "n_iter_no_change": 3},
        ),
    ],
)
def test_estimators_of_every_kind_train_on_missing_values_and_categories(
    bench: Bench, estimator: str, parameters: dict[str, object]
) -> None:
    result = fitted(bench, training__estimator=estimator, training__parameters=parameters)
    assert result.ok, result.error
    assert accuracy(bench, result) > 0.7
    assert result.record["parameters"] == parameters
    own = result.record["estimator_parameters"]
    assert parameters.items() <= own.items()
    assert len(own) > len(parameters)
    assert not {"random_state", "n_jobs"} & set(own)
    assert result.record["packages"]["scikit-learn"]
    schema = InputSchema.from_bytes(Path(result.outputs["schema"]).read_bytes())
    assert (schema.classes, schema.numeric, schema.categorical) == (("0", "1"), ("wind", "rain"), ("port",))


def test_training_twice_gives_the_same_predictions_to_the_bit(bench: Bench) -> None:
    estimator = "sklearn.ensemble.RandomForestClassifier"
    changes = {"training__estimator": estimator, "training__parameters": {"n_estimators": 5}}
    answers = []
    for _ in range(2):
        result = fitted(bench, **changes)
        predictor = load_predictor(Path(result.outputs["model"]), Path(result.outputs["schema"]))
        held = read_rows(bench.folder / "snapshot" / "holdout.parquet", spec_from_plain(spec()))
        answers.append(score(predictor, held).scores.tobytes())
    assert answers[0] == answers[1]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"training__estimator": "sklearn.ensemble.HistGradientBoostingClasifier"},
            "sklearn.ensemble has no 'HistGradientBoostingClasifier'; did you mean HistGradientBoostingClassifier?",
        ),
        ({"training__estimator": "sklearn.nowhere.Tree"}, "scikit-learn has no module 'sklearn.nowhere'"),
        ({"training__estimator": "sklearn.utils.Bunch"}, "is not an estimator that predicts"),
        (
            {"training__estimator": "sklearn.preprocessing.StandardScaler"},
            "is not an estimator that predicts",
        ),
        (
            {"training__estimator": "sklearn.linear_model.Ridge"},
            "Ridge is no classifier, which a binary task needs",
        ),
        (
            {"training__estimator": "sklearn.ensemble.VotingClassifier"},
            "cannot be made from plain parameters",
        ),
        (
            {"training__parameters": {"max_iters": 3}},
            "training.parameters.max_iters: HistGradientBoostingClassifier has no such parameter; did you mean max_iter?",
        ),
        ({"training__parameters": {"max_iter": -1}}, "The 'max_iter' parameter"),
        (
            {"training__estimator": "sklearn.linear_model.RidgeClassifier", "training__parameters": {}},
            "RidgeClassifier gives no probabilities",
        ),
    ],
)
def test_an_estimator_that_will_not_do_gives_one_line(
    bench: Bench, changes: dict[str, object], said: str
) -> None:
    result = fitted(bench, **changes)
    assert not result.ok
    assert said in result.error


OWN = """
from helper import flattened
from sklearn.tree import DecisionTreeClassifier
from sklearn.compose import make_column_transformer
from sklearn.pipeline import make_pipeline

def fit(X, y, parameters, seed):
    print("rows", len(X))
    columns = make_column_transformer(("passthrough", ["wind", "rain"]))
    return make_pipeline(columns, DecisionTreeClassifier(random_state=seed, **parameters)).fit(X, flattened(y))
"""


def with_own(bench: Bench, code: str, **changes: object) -> StepResult:
    (bench.folder / "models").mkdir(exist_ok=True)
    (bench.folder / "models" / "helper.py").write_text("def flattened(y):\n    return y.to_numpy()\n")
    parameters = changes.pop("training__parameters", {"max_depth": 4})
    return fitted(
        bench,
        code=code,
        training__estimator=None,
        training__function="train.py:fit",
        training__parameters=parameters,
        **changes,
    )


def test_the_users_function_trains_with_its_own_helpers(
    bench: Bench, capfd: pytest.CaptureFixture[str]
) -> None:
    result = with_own(bench, OWN)
    assert result.ok, result.error
    assert accuracy(bench, result) > 0.7
    assert capfd.readouterr().out.startswith("rows ")


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (
            "def fit(X, y, parameters, seed):\n    return 1 / 0\n",
            "train.py line 2 in fit: ZeroDivisionError: division",
        ),
        ("def fit(X, y, parameters, seed)\n", "train.py line 1: SyntaxError: expected ':'"),
        ("import nothing_there\n", "train.py line 1 in <module>: ModuleNotFoundError: No module named"),
        ("def train(X, y, parameters, seed): ...\n", "train.py: defines no function 'fit'"),
        (
            "def fit(X, y, parameters, seed):\n    raise SystemExit('enough')\n",
            "line 2 in fit: SystemExit: enough",
        ),
        ("def fit(X, y, parameters, seed):\n    X['gusts']\n", "train.py line 2 in fit: KeyError: 'gusts'"),
        ("def fit(X, y, parameters, seed): ...\n", "train.py:fit: late: NoneType gives no probabilities"),
        (
            "from sklearn.linear_model import LogisticRegression\n"
            "def fit(X, y, parameters, seed):\n    return LogisticRegression()\n",
            "train.py:fit: late: LogisticRegression is not fitted",
        ),
        (
            "from sklearn.tree import DecisionTreeClassifier as T\n\nclass Mine(T): ...\n\n"
            "def fit(X, y, parameters, seed):\n    return Mine().fit(X[['rain']], y)\n",
            "may not hold: train.Mine",
        ),
    ],
)
def test_a_fault_in_the_users_code_names_the_line(bench: Bench, code: str, said: str) -> None:
    result = with_own(bench, code)
    assert not result.ok
    assert said in result.error


def test_running_out_of_memory_in_the_users_code_stays_that(bench: Bench) -> None:
    with pytest.raises(MemoryError):
        with_own(bench, "def fit(X, y, parameters, seed):\n    raise MemoryError\n")


@pytest.mark.parametrize("own", [False, True])
def test_a_search_tries_candidates_on_folds_in_time(bench: Bench, own: bool) -> None:
    search = {
        "parameters": {"max_depth": [1, 2, 4], "min_samples_leaf": [1, 50]},
        "candidates": 4,
        "folds": 3,
    }
    if own:
        result = with_own(bench, OWN, training__search=search, training__parameters={})
    else:
        result = fitted(bench, training__search=search)
    assert result.ok, result.error
    trials = json.loads(Path(result.outputs["trials"]).read_text())
    assert result.record["trials"] == trials
    assert len(trials) == 4
    assert all(len(trial["scores"]) == 3 for trial in trials)
    means = [trial["mean"] for trial in trials]
    assert means == sorted(means, reverse=True)
    assert trials[0]["parameters"].items() <= result.record["parameters"].items()
    assert [line for _, line in bench.progress if line.startswith("candidate")][-1] == "candidate 4 of 4"


def test_one_class_alone_cannot_be_trained_on(bench: Bench) -> None:
    frame = rows()
    frame["late"] = (frame["at"] == frame["at"].max()).astype(int)
    snapshot = bench.run("snapshot", spec(), {"source": bench.source(frame)})
    result = bench.run("fit", spec(), {"train": snapshot.outputs["train"], "model_folder": bench.folder})
    assert "the training rows have 1 class of 'late'; expected two or more" in result.error


def test_the_hold_out_is_no_input_of_training(bench: Bench) -> None:
    result = bench.trained()
    train = pq.read_table(result["snapshot"].outputs["train"])
    assert (
        result["fit"].record["training_rows"] == train.num_rows == result["snapshot"].record["training_rows"]
    )
