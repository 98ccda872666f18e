"""Conversion of a whole model: the encoding that Pilothouse does itself, then scikit-learn's pipeline."""

from importlib.metadata import version
from typing import Any

from pilothouse.domain.monitoring.categories import category_text
from pilothouse.inference import encoding
from pilothouse.inference.known_categories import known_categories
from pilothouse.inference.portable.conversion.registry import convert
from pilothouse.inference.portable.conversion.seam import NotPortable
from pilothouse.inference.portable.program import Node, Program
from pilothouse.inference.schema import InputSchema

_LIBRARIES = ("numpy", "scikit-learn", "scipy")


def converted(model: Any, schema: InputSchema) -> Program:
    """Program that answers as the Predictor of ``model`` does. Raises NotPortable."""
    known = known_categories(model, schema)
    return Program(
        _root(model, schema, known),
        tuple(column.name for column in schema.columns),
        tuple(str(category_text(value)) for value in getattr(model, "classes_", ())),
        {name: tuple(sorted(values)) for name, values in sorted(known.items())},
        {name: version(name) for name in _LIBRARIES},
    )


def _root(model: Any, schema: InputSchema, known: dict[str, frozenset[str]]) -> Node:
    shortcut = encoding.ordinal_shortcut(model)
    if shortcut is not None:
        codes, plain = shortcut
        settings = {"coded": list(codes), "texts": [list(own) for own in codes.values()], "plain": plain}
        # a category that is no text has a code that no text reaches, which a list of texts cannot say
        if any(list(own.values()) != list(range(len(own))) for own in codes.values()):
            raise NotPortable("categories that are no texts")
        return Node("pipeline", children=(Node("coded-columns", settings), convert(model.steps[-1][1])))
    _check_names(model, schema)
    root = convert(model)
    if schema.missing and encoding.is_our_one_hot(model) and known:
        unknown = {"names": list(known), "texts": [sorted(texts) for texts in known.values()]}
        first = Node("unknown-as-missing", unknown)
        return Node("pipeline", children=(first, *(root.children if root.op == "pipeline" else (root,))))
    return root


def _check_names(model: Any, schema: InputSchema) -> None:
    """Raise NotPortable where the model was fitted on other columns than the schema's, in this order: scikit-learn then refuses
    them, or finds them by name."""
    first = model.steps[0][1] if hasattr(model, "steps") else model
    names = getattr(first, "feature_names_in_", None)
    if names is None:
        raise NotPortable(f"{type(first).__name__} was fitted without names of columns")
    wanted = [column.name for column in schema.columns]
    if type(first).__name__ == "ColumnTransformer":
        if not set(names) <= set(wanted):
            raise NotPortable("it was fitted on columns that the schema lacks")
    elif list(names) != wanted:
        raise NotPortable("it was fitted on other columns, or in another order, than the schema's")
