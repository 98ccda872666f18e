"""Pictures that a training leaves: their file, importance with intervals, and partial dependence beside scikit-learn's."""

import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from sklearn.inspection import partial_dependence as theirs
from sklearn.metrics import confusion_matrix
from steps_support import Bench, spec

from pilothouse.domain.errors import IntegrityError
from pilothouse.domain.jobs.jobs import StepResult
from pilothouse.domain.models.model_file import spec_from_plain
from pilothouse.domain.models.model_pictures import ModelPictures, read_pictures
from pilothouse.inference.encoding import frame
from pilothouse.training.data.rows import read_rows
from pilothouse.training.models.dependence import MOST_ROWS
from pilothouse.training.models.scoring import load_predictor


@pytest.fixture(scope="module")
def steps(usual: dict[str, StepResult]) -> dict[str, StepResult]:
    """One training, for the tests that look at what it left."""
    return usual


def pictures_of(steps: dict[str, StepResult]) -> ModelPictures:
    return read_pictures(Path(steps["evaluate"].outputs["pictures"]).read_bytes())


def test_pictures_are_of_all_held_out_rows(steps: dict[str, StepResult]) -> None:
    pictures = pictures_of(steps)
    kept = pq.read_table(steps["evaluate"].outputs["predictions"]).to_pandas()

    assert pictures.rows == len(kept)
    assert pictures.classes == ("0", "1")
    expected = confusion_matrix(kept["truth"], kept["label"], labels=["0", "1"])
    assert [list(row) for row in pictures.confusion] == expected.tolist()
    auc = next(
        m["value"] for m in steps["evaluate"].record["metrics"] if (m["metric"], m["slice"]) == ("auc", "")
    )
    assert pictures.curves[0].auc == pytest.approx(auc, abs=1e-12)
    assert [sum(one.counts) for one in pictures.scores] == [
        int((kept["truth"] == name).sum()) for name in ("0", "1")
    ]


def test_importance_has_intervals_and_its_means_are_on_record(steps: dict[str, StepResult]) -> None:
    importance = pictures_of(steps).importance

    assert {one.feature: one.loss for one in importance} == steps["evaluate"].record["importance"]
    assert all(one.low <= one.loss <= one.high for one in importance)
    assert [one.loss for one in importance] == sorted((one.loss for one in importance), reverse=True)
    assert importance[0].low > 0


def test_partial_dependence_is_scikit_learns_on_the_same_rows(steps: dict[str, StepResult]) -> None:
    model = spec_from_plain(spec())
    rows = read_rows(Path(steps["snapshot"].outputs["holdout"]), model)
    predictor = load_predictor(*(Path(steps["fit"].outputs[name]) for name in ("model", "schema")))
    found = {one.feature: one for one in pictures_of(steps).dependence}
    assert set(found) == {"wind", "rain", "port"}
    chosen = np.sort(np.random.default_rng(3).choice(rows.count, min(rows.count, MOST_ROWS), replace=False))
    X = frame(predictor.schema, rows.columns(predictor.schema)).iloc[chosen]

    for feature in ("wind", "rain"):
        one = found[feature]
        grid = {feature: np.array(one.numbers)}
        expected = theirs(
            predictor.model, X, [feature], custom_values=grid, method="brute", response_method="predict_proba"
        )
        assert one.lines[0].answers == pytest.approx(expected["average"][0].tolist(), abs=1e-9)
    assert set(found["port"].texts) == {"N", "S"}
    answers = dict(zip(found["port"].texts, found["port"].lines[0].answers, strict=True))
    assert answers["S"] > answers["N"]


def test_pictures_name_no_private_column(steps: dict[str, StepResult]) -> None:
    text = Path(steps["evaluate"].outputs["pictures"]).read_text()

    assert "passenger" not in text


def test_a_regression_has_residuals_and_three_classes_a_confusion(bench: Bench) -> None:
    plain = spec(
        task="regression",
        data__target="delay",
        data__exclude=["late"],
        training__estimator="sklearn.linear_model.Ridge",
        training__parameters={},
        gates__metric=[],
    )
    pictures = pictures_of(bench.evaluated(plain, name="numbers"))
    assert pictures.residuals is not None
    assert sum(pictures.residuals.histogram.counts) == pictures.rows
    assert pictures.curves == ()
    assert pictures.dependence[0].lines[0].name == "prediction"


def test_a_file_of_another_form_or_broken_is_named(steps: dict[str, StepResult]) -> None:
    data = Path(steps["evaluate"].outputs["pictures"]).read_bytes()
    plain = json.loads(data)

    with pytest.raises(IntegrityError, match="form 2; expected 1: written by another release"):
        read_pictures(json.dumps({**plain, "form": 2}).encode())
    with pytest.raises(IntegrityError, match=r"pictures\.rows"):
        read_pictures(json.dumps({**plain, "rows": "many"}).encode())
    with pytest.raises(IntegrityError, match="pictures of a version"):
        read_pictures(data[:-5])
