"""What is fitted is what the file names: missing numbers, scale and categories before the estimator."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OrdinalEncoder
from steps_support import Bench, rows, spec

from pilothouse.domain.errors import ModelFileError
from pilothouse.domain.jobs.jobs import StepResult
from pilothouse.domain.models.model_file import load_spec, spec_from_plain, spec_to_plain
from pilothouse.domain.models.model_spec import PreprocessingSpec
from pilothouse.inference.predictor import Predictor
from pilothouse.inference.schema import InputSchema
from pilothouse.training.data.rows import read_rows, training_frame
from pilothouse.training.models import estimator_check
from pilothouse.training.models.estimators import estimator_class
from pilothouse.training.models.fitted_steps import fitted_steps
from pilothouse.training.models.preprocessing import abilities_of, chosen
from pilothouse.training.models.scoring import load_predictor, score

DOCUMENT = Path(__file__).parents[2] / "docs" / "configuration.md"
FOREST, LINEAR = "sklearn.ensemble.RandomForestClassifier", "sklearn.linear_model.LogisticRegression"
BOOSTING = "sklearn.ensemble.HistGradientBoostingClassifier"
SETTINGS = {"max_iter": 20, "early_stopping": False, "random_state": 3}
AUTO = {"impute": "auto", "scale": "auto", "categories": "auto"}


def many_ports(kinds: int = 40) -> pd.DataFrame:
    """Rows of many ports, late by the port and not by its place in the alphabet."""
    frame, rng = rows(days=40), np.random.default_rng(1)
    port = rng.integers(0, kinds, len(frame))
    late = rng.random(len(frame)) < np.where(port * 7 % 11 > 5, 0.8, 0.2)
    names = np.array([f"P{number:03d}" for number in range(kinds)])
    frame["port"] = np.where(rng.random(len(frame)) < 0.03, None, names[port])
    return frame.assign(late=late.astype(int))


def trained(bench: Bench, frame: pd.DataFrame | None = None, **changes: Any) -> dict[str, StepResult]:
    return bench.trained(spec(**changes), frame)


def answers(bench: Bench, steps: dict[str, StepResult]) -> tuple[Predictor, np.ndarray, pd.DataFrame, Any]:
    """Predictor, its scores of the hold-out, and the training rows as the estimator is given them."""
    plain = spec_from_plain(spec())
    predictor = load_predictor(Path(steps["fit"].outputs["model"]), Path(steps["fit"].outputs["schema"]))
    held = read_rows(Path(steps["snapshot"].outputs["holdout"]), plain)
    train = read_rows(Path(steps["snapshot"].outputs["train"]), plain)
    X, y = training_frame(train, predictor.schema, plain)
    return predictor, score(predictor, held).scores, X, y


def held_frame(bench: Bench, steps: dict[str, StepResult], schema: InputSchema) -> pd.DataFrame:
    plain = spec_from_plain(spec())
    return training_frame(read_rows(Path(steps["snapshot"].outputs["holdout"]), plain), schema, plain)[0]


def test_without_the_table_boosted_trees_are_those_of_before_it_to_the_bit(bench: Bench) -> None:
    steps = trained(bench, many_ports())
    predictor, scores, X, y = answers(bench, steps)
    encoder = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=np.nan)
    parts = [("categories", encoder, ["port"]), ("numbers", "passthrough", ["wind", "rain"])]
    plain = Pipeline(
        [
            ("encode", ColumnTransformer(parts, sparse_threshold=0)),
            ("model", HistGradientBoostingClassifier(**SETTINGS)),
        ]
    ).fit(X, y)
    expected = plain.predict_proba(held_frame(bench, steps, predictor.schema))[:, 1]
    assert scores.tobytes() == expected.tobytes()


def test_native_categories_are_those_of_scikit_learn_to_the_bit(bench: Bench) -> None:
    frame = many_ports()
    steps = trained(bench, frame, training__preprocessing=AUTO)
    predictor, scores, X, y = answers(bench, steps)
    as_category = pd.CategoricalDtype(sorted(X["port"].dropna().unique()))
    order = ["port", "wind", "rain"]
    native = HistGradientBoostingClassifier(categorical_features="from_dtype", **SETTINGS)
    native.fit(X.astype({"port": as_category})[order], y)
    held = held_frame(bench, steps, predictor.schema).astype({"port": as_category})[order]
    assert scores.tobytes() == native.predict_proba(held)[:, 1].tobytes()
    other = {"port": ["never seen", None], "wind": [3.0, 3.0], "rain": [1.0, 1.0]}
    unseen, missing = predictor.predict(other, 2).scores
    assert unseen == missing
    assert predictor.known_categories["port"] == frozenset(as_category.categories)


def test_a_specification_without_the_table_is_stored_as_it_was(bench: Bench) -> None:
    assert "preprocessing" not in spec()["training"]
    asked = spec(training__preprocessing={"categories": "native"})
    read = spec_from_plain(asked)
    assert read.training.preprocessing == PreprocessingSpec(categories="native")
    assert spec_to_plain(read)["training"]["preprocessing"] == {**AUTO, "categories": "native"}


@pytest.mark.parametrize(
    ("estimator", "impute", "scale", "categories"),
    [
        (BOOSTING, "none", "none", "native"),
        (BOOSTING, "median", "standard", "native"),
        (BOOSTING, "none", "none", "one-hot"),
        (FOREST, "mean", "none", "ordinal"),
        (LINEAR, "mean", "none", "one-hot"),
        (LINEAR, "median", "standard", "ordinal"),
    ],
)
def test_what_is_asked_for_is_what_is_fitted(
    bench: Bench, estimator: str, impute: str, scale: str, categories: str
) -> None:
    """What is done to the features is read from the fitted pipeline."""
    parameters = {BOOSTING: {"max_iter": 5}, FOREST: {"n_estimators": 5}, LINEAR: {}}[estimator]
    asked = {"impute": impute, "scale": scale, "categories": categories}
    assert refused(estimator, **asked) == []
    steps = bench.trained(
        spec(training__estimator=estimator, training__parameters=parameters, training__preprocessing=asked),
        rows(days=40),
    )
    predictor, scores, *_ = answers(bench, steps)
    assert np.isfinite(scores).all()
    told = " ".join(fitted_steps(predictor.model, ["port", "wind", "rain"]))
    assert ("SimpleImputer" in told) is (impute != "none")
    assert ("StandardScaler" in told) is (scale == "standard")
    assert ("OneHotEncoder" in told) is (categories == "one-hot")
    assert ("splits on the categories of port" in told) is (categories == "native")


def refused(estimator: str, **asked: Any) -> list[str]:
    """Keys that ``apply --plan`` refuses."""
    found = estimator_check.faults("binary", estimator, {}, {}, PreprocessingSpec(**asked))
    return [fault.split(":")[0].removeprefix("training.preprocessing.") for fault in found]


def test_what_an_estimator_cannot_do_is_refused_before_it_is_fitted(bench: Bench) -> None:
    assert refused(LINEAR, impute="none") == ["impute"]
    assert refused(LINEAR, impute="none", categories="native") == ["impute", "categories"]
    assert refused(FOREST, categories="native") == ["categories"]
    assert refused(FOREST, impute="none", categories="ordinal") == []
    with pytest.raises(AssertionError, match="takes no missing values"):
        trained(
            bench,
            training__estimator=LINEAR,
            training__parameters={},
            training__preprocessing={"impute": "none"},
        )


def test_the_record_says_the_fitted_steps_in_order_with_what_they_learned(bench: Bench) -> None:
    plain = spec(training__estimator=LINEAR, training__parameters={"C": 0.5})
    told = bench.evaluated(plain)["evaluate"].record["fitted"]
    assert [line.split(":")[0] for line in told] == [
        "encode, categories (port)",
        "encode, numbers (wind, rain)",
        "model",
    ]
    assert "OneHotEncoder" in told[0]
    assert told[0].endswith("; 2 categories learned")
    assert re.search(r"SimpleImputer\(.*\) → StandardScaler\(\); filled with \d\.\d+, \d\.\d+$", told[1])
    assert "LogisticRegression(C=0.5" in told[2]


def test_a_feature_of_too_many_categories_has_its_codes_as_numbers_or_is_refused(bench: Bench) -> None:
    frame = many_ports(300)
    steps = bench.evaluated(spec(training__preprocessing=AUTO), frame)
    assert not any("splits on" in line for line in steps["evaluate"].record["fitted"])
    with pytest.raises(AssertionError, match=r"port has 3\d\d|port has 2\d\d categories"):
        trained(bench, frame, training__preprocessing={"categories": "native"})


def test_a_function_of_the_users_own_is_not_preprocessed() -> None:
    text = (Path(__file__).parent / "steps_support.py").read_text().split('"""')[3]
    wanted = text.replace(
        'estimator = "sklearn.ensemble.HistGradientBoostingClassifier"', 'function = "train.py:fit"'
    )
    with pytest.raises(ModelFileError, match=r"training\.preprocessing: expected with an estimator"):
        load_spec(
            wanted.replace("[gates.latency]", "[training.preprocessing]\n[gates.latency]"), "model.toml"
        )


def test_the_documents_table_says_what_each_family_is_given() -> None:
    """Missing numbers, scale, categories without the table, categories with ``auto``."""
    words = {"none": "as they are", "median": "median", "standard": "unit variance"}
    lines = re.findall(
        r"^\| (`[^|]*`.*) \| (.*) \| (.*) \| (.*) \| (.*) \|$", DOCUMENT.read_text(), flags=re.MULTILINE
    )
    assert len(lines) == 3
    names = [name for line in lines for name in re.findall(r"`(\w+\.\w+)`", line[0])]
    assert len(names) > 20
    for listed, impute, scale, before, auto in lines:
        for name in re.findall(r"`(\w+\.\w+)`", listed):
            able = abilities_of(estimator_class(f"sklearn.{name}")())
            done = chosen(PreprocessingSpec(), able)
            assert (name, words[done.impute], words[done.scale]) == (name, impute, scale)
            assert (name, chosen(None, able).categories, done.categories) == (name, before, auto)
