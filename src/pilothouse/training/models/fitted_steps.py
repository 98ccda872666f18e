"""The steps of a fitted model in words, from the model itself and not from the file that asked for it."""

from collections.abc import Iterator, Sequence
from typing import Any

from pilothouse.domain.formats.safe_text import one_line

_NAMED = 8
"""Columns that a step names; the others are counted."""
_LONGEST = 600


def fitted_steps(model: Any, columns: Sequence[str]) -> list[str]:
    """A line for each thing that is done to the features, in order, and one for the estimator. ``columns``: the names of those
    that the first step is given."""
    steps = model.steps if hasattr(model, "steps") else [("model", model)]
    names: Sequence[str] = columns
    lines: list[str] = []
    for name, step in steps:
        if hasattr(step, "transformers_"):
            lines += [f"{name}, {line}" for line in _parts(step)]
            names = [column for part in step.transformers_ for column in _listed(part[2])]
        else:
            lines.append(f"{name}: {_text(step)}{_native(step, names)}")
    return [one_line(line, _LONGEST) for line in lines]


def _parts(transformer: Any) -> Iterator[str]:
    """Each part of a ColumnTransformer with the columns that it is given, and what it has learned of them."""
    for name, part, columns in transformer.transformers_:
        listed = _listed(columns)
        if listed or part != "drop":
            yield f"{name} ({_named(listed)}): {_text(part)}{_learned(part)}"


def _text(step: Any) -> str:
    """Classes of a step in order, each with the parameters that are not its defaults."""
    if hasattr(step, "steps"):
        return " → ".join(_text(inner) for _, inner in step.steps)
    if isinstance(step, str):
        return {"passthrough": "as they are", "drop": "left out"}.get(step, step)
    if type(step).__name__ == "FunctionTransformer" and step.func is None:
        return "as they are"
    return " ".join(repr(step).split())


def _learned(part: Any) -> str:
    first = part.steps[0][1] if hasattr(part, "steps") else part
    if hasattr(first, "categories_"):
        return f"; {', '.join(str(len(found)) for found in first.categories_)} categories learned"
    if hasattr(first, "statistics_"):
        more = f" and {len(first.statistics_) - _NAMED} more" if len(first.statistics_) > _NAMED else ""
        return f"; filled with {', '.join(map(_value, first.statistics_[:_NAMED]))}{more}"
    return ""


def _value(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _native(step: Any, names: Sequence[str]) -> str:
    """Columns on whose categories an estimator splits itself."""
    is_native = getattr(step, "is_categorical_", None)
    if is_native is None or len(is_native) != len(names):
        return ""
    return f"; splits on the categories of {_named([n for n, native in zip(names, is_native, strict=True) if native])}"


def _listed(columns: Any) -> list[str]:
    return [str(column) for column in columns] if isinstance(columns, list | tuple) else []


def _named(columns: Sequence[str]) -> str:
    more = f" and {len(columns) - _NAMED} more" if len(columns) > _NAMED else ""
    return ", ".join(columns[:_NAMED]) + more
