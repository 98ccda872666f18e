"""A model file as a form."""

from dataclasses import replace

import pytest

from pilothouse.domain.errors import InvalidInputError
from pilothouse.domain.models.model_spec import DataSpec, Duration, ModelSpec, TargetSpec, TrainingSpec
from pilothouse.presentation.pages.training_form import fields_of, read_fields

SPEC = ModelSpec(
    name="flight-delay",
    task="binary",
    owner="sam",
    data=DataSpec("rows.csv", "late", "at", ("wind",), lookback=Duration(90 * 86_400)),
    training=TrainingSpec("sklearn.X", {"max_iter": 120, "rate": 0.1, "early": False, "loss": "log"}),
    targets=(TargetSpec("ewr"),),
)


def test_unchanged_form_changes_nothing() -> None:
    fields = fields_of(SPEC)
    request = read_fields(fields, {field.key: field.value for field in fields})
    assert (request.overrides, request.as_of, request.reason) == ({}, "", "")


def test_changed_fields_come_back_as_values_of_their_kind() -> None:
    request = read_fields(
        fields_of(SPEC),
        {
            "training.parameters.max_iter": " 60 ",
            "training.parameters.rate": "0.05",
            "training.parameters.early": "yes",
            "training.parameters.loss": "exp",
            "data.lookback": "30d",
            "as_of": "2013-10-01",
            "reason": "try it",
        },
    )
    assert request.overrides == {
        "training.parameters.max_iter": 60,
        "training.parameters.rate": 0.05,
        "training.parameters.early": True,
        "training.parameters.loss": "exp",
        "data.lookback": "30d",
    }
    assert (request.as_of, request.reason) == ("2013-10-01", "try it")


@pytest.mark.parametrize(
    ("key", "text", "message"),
    [
        ("training.parameters.max_iter", "many", "max_iter: found 'many'; expected a whole number"),
        ("training.parameters.early", "perhaps", "early: found 'perhaps'; expected a yes or no"),
        ("data.lookback", "", "data.lookback: found nothing"),
        ("others", "max_depth", "'max_depth' is not KEY=VALUE"),
    ],
)
def test_wrong_fields_are_named_with_what_they_expect(key: str, text: str, message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        read_fields(fields_of(SPEC), {key: text})


def test_what_a_training_is_changed_by_comes_before_why_it_is_made() -> None:
    keys = [field.key for field in fields_of(SPEC)]
    assert keys[0] == "training.parameters.max_iter"
    assert keys[-1] == "reason"


def test_where_the_file_sets_no_parameter_the_estimators_own_are_offered_as_the_newest_run_had_them() -> None:
    bare = replace(SPEC, training=TrainingSpec("sklearn.X"))
    own = {"max_iter": 100, "max_depth": None, "criterion": "gini"}
    fields = {field.key: field for field in fields_of(bare, own)}
    assert fields["training.parameters.max_iter"].value == "100"
    assert fields["training.parameters.max_depth"].hint == "none, unless you type a value"
    typed = {"training.parameters.max_depth": "4", "training.parameters.criterion": "gini"}
    assert read_fields(tuple(fields.values()), typed).overrides == {"training.parameters.max_depth": 4}
    assert "training.parameters.criterion" not in {field.key for field in fields_of(SPEC, own)}


def test_before_the_first_run_parameters_are_typed_by_name() -> None:
    bare = replace(SPEC, training=TrainingSpec("sklearn.X"))
    first = fields_of(bare)[0]
    assert (first.key, first.label) == ("others", "parameters")
    assert first.hint == "name=value …, as the estimator names them"
    request = read_fields(fields_of(bare), {"others": "max_depth=4, rate=0.5 early=false"})
    assert request.overrides == {
        "training.parameters.max_depth": 4,
        "training.parameters.rate": 0.5,
        "training.parameters.early": False,
    }
