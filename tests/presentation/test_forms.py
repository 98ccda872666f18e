"""A model file as a form."""

import pytest

from pilothouse.domain.errors import InvalidInputError
from pilothouse.domain.model_spec import DataSpec, Duration, ModelSpec, TargetSpec, TrainingSpec
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
    ],
)
def test_wrong_fields_are_named_with_what_they_expect(key: str, text: str, message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        read_fields(fields_of(SPEC), {key: text})
