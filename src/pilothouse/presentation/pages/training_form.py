"""A model file as the fields of a form, and the changed values parsed from the texts of the fields."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from pilothouse.domain.errors import InvalidInputError
from pilothouse.domain.models.assignments import parse_assignments, parse_scalar
from pilothouse.domain.models.dataclass_reader import format_duration
from pilothouse.domain.models.model_spec import ModelSpec, Scalar

AS_OF, REASON, OTHERS = "as_of", "reason", "others"
"""Fields that are no key of the model file. OTHERS takes parameters by name."""
_PREFIX = "training.parameters."


class FieldKind(StrEnum):
    """The type as which the text of a field is parsed; the values stand in its hint."""

    TEXT = "text"
    DURATION = "duration"
    WHOLE_NUMBER = "whole number"
    NUMBER = "number"
    YES_OR_NO = "yes or no"
    VALUE = "value"
    ASSIGNMENTS = "name=value"


@dataclass(frozen=True, slots=True)
class Field:
    """One line of the form. ``value`` is that of the model file; ``kind`` is how its text is parsed."""

    key: str
    label: str
    value: str
    hint: str
    kind: FieldKind


@dataclass(frozen=True, slots=True)
class TrainingRequest:
    """The values of the form; ``overrides`` holds only those that differ from the model file."""

    overrides: dict[str, Scalar]
    as_of: str
    reason: str


def fields_of(spec: ModelSpec, estimator: Mapping[str, Scalar | None] | None = None) -> tuple[Field, ...]:
    """Each parameter first, then the seed, the size of the search where the file asks for one, the rows, and the reason.

    ``estimator`` has the estimator's own parameters, where a run has recorded them; they are offered where the file sets
    none.
    """
    training = spec.training
    own = {} if training.parameters else dict(estimator or {})
    fields = [
        Field(f"{_PREFIX}{name}", name, _text(value), _hint(value), _kind(value))
        for name, value in {**own, **training.parameters}.items()
    ]
    label = "other parameters" if fields else "parameters"
    hint = "name=value …, as the estimator names them"
    fields.append(Field(OTHERS, label, "", hint, FieldKind.ASSIGNMENTS))
    fields.append(
        Field("training.seed", "training.seed", str(training.seed), "a whole number", FieldKind.WHOLE_NUMBER)
    )
    if training.search is not None:
        fields += [
            Field(
                f"training.search.{name}",
                f"search: {name.replace('_', ' ')}",
                _text(value),
                hint,
                _kind(value),
            )
            for name, value, hint in (
                ("candidates", training.search.candidates, "how many are tried"),
                ("folds", training.search.folds, "how many folds in time judge them"),
                (
                    "early_stopping",
                    training.search.early_stopping,
                    "yes: the worse half stops after each fold",
                ),
            )
        ]
    lookback = format_duration(spec.data.lookback) if spec.data.lookback else ""
    fields += [
        Field("data.lookback", "data.lookback", lookback, "all rows; or e.g. 90d", FieldKind.DURATION),
        Field(AS_OF, "as of", "", "now; or 2013-07-04: what was known then", FieldKind.TEXT),
        Field(REASON, "reason", "", "why, for the record", FieldKind.TEXT),
    ]
    return tuple(fields)


def introduction(model: str, fields: tuple[Field, ...]) -> str:
    """The sentence above the form."""
    text = f"A training of {model} as its model file says. What you change here counts for this run alone."
    if fields[:1] and fields[0].key == OTHERS:
        text += " Its file sets no parameter, and no run has recorded those of its estimator yet: name them."
    return text


def read_fields(fields: tuple[Field, ...], typed: Mapping[str, str]) -> TrainingRequest:
    """The texts ``typed``, as values. Raises InvalidInputError, which names the field and what it expects."""
    overrides: dict[str, Scalar] = {}
    for field in fields:
        text = typed.get(field.key, field.value).strip()
        if field.key == OTHERS:
            assigned = parse_assignments(text.replace(",", " ").split())
            overrides |= {f"{_PREFIX}{name.removeprefix(_PREFIX)}": value for name, value in assigned.items()}
        elif field.key not in (AS_OF, REASON) and text != field.value:
            overrides[field.key] = _parse(field, text)
    return TrainingRequest(overrides, typed.get(AS_OF, "").strip(), typed.get(REASON, "").strip())


def _parse(field: Field, text: str) -> Scalar:
    try:
        if field.kind is FieldKind.WHOLE_NUMBER:
            return int(text)
        if field.kind is FieldKind.NUMBER:
            return float(text)
        if field.kind is FieldKind.YES_OR_NO:
            return {"true": True, "yes": True, "false": False, "no": False}[text.casefold()]
    except (ValueError, KeyError):
        raise InvalidInputError(f"{field.label}: found {text!r}; expected a {field.kind}") from None
    if text and field.kind is FieldKind.VALUE:
        return parse_scalar(text)
    if not text:
        raise InvalidInputError(f"{field.label}: found nothing; expected {field.hint}")
    return text


def _hint(value: Scalar | None) -> str:
    return "none, unless you type a value" if value is None else f"a {_kind(value)}"


def _kind(value: Scalar | None) -> FieldKind:
    if value is None:
        return FieldKind.VALUE
    if isinstance(value, bool):
        return FieldKind.YES_OR_NO
    return {int: FieldKind.WHOLE_NUMBER, float: FieldKind.NUMBER}.get(type(value), FieldKind.TEXT)


def _text(value: Scalar | None) -> str:
    if value is None:
        return ""
    return str(value).casefold() if isinstance(value, bool) else str(value)
