"""Columns of a log of predictions, by the specification of the version that predicted."""

from collections.abc import Sequence
from dataclasses import replace

from pilothouse.domain.errors import InvalidInputError
from pilothouse.domain.models.model_spec import ModelSpec
from pilothouse.domain.tables.table_form import TableForm, prediction_form
from pilothouse.statistics.profiles.specification import CategoricalColumn, ProfileSpecification


def log_form(spec: ModelSpec, specification: ProfileSpecification) -> TableForm:
    """Form in which a log of the version is read: its features, times, scores and labels, and no other column. A word for
    missing that a version of an earlier release knows as a category or a class of its own stays that."""
    known = {*specification.classes}
    for column in specification.features:
        if isinstance(column, CategoricalColumn):
            known.update(column.categories)
    categorical = [c.name for c in specification.features if isinstance(c, CategoricalColumn)]
    numeric = [c.name for c in specification.features if not isinstance(c, CategoricalColumn)]
    form = prediction_form(spec, numeric, categorical)
    return replace(form, missing=tuple(word for word in form.missing if word not in known))


def check_log_columns(
    where: str, names: Sequence[str], time: str, specification: ProfileSpecification
) -> None:
    """Raise InvalidInputError, one line, for a log that lacks the time, the score, a feature, or the label of a model of more
    than two classes."""
    needed = [time, "score", *(column.name for column in specification.features)]
    if len(specification.classes) > 2:
        needed.append("label")
    missing = [name for name in needed if name not in names]
    if missing:
        raise InvalidInputError(
            f"{where}: column{'s' if len(missing) > 1 else ''} {', '.join(missing)} missing; "
            f"expected {', '.join(needed)}"
        )
