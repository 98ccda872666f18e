"""Categories that a model has learned, read from its fitted encoders."""

from typing import Any

from pilothouse.inference.schema import InputSchema


def known_categories(model: Any, schema: InputSchema) -> dict[str, frozenset[str]]:
    """Learned categories by feature. A feature whose encoder cannot be found (a user's own pipeline) is absent.

    Only encoders of the pipeline's first step are looked at: later ones do not see the features under their names.
    """
    first = model.steps[0][1] if hasattr(model, "steps") else model
    known: dict[str, frozenset[str]] = {}
    for _, transformer, columns in getattr(first, "transformers_", ()):
        encoder = transformer.steps[0][1] if hasattr(transformer, "steps") else transformer
        learned = getattr(encoder, "categories_", None)
        if learned is None or isinstance(columns, str | slice) or len(learned) != len(columns):
            continue
        for column, values in zip(columns, learned, strict=True):
            if column in schema.categorical:
                known[column] = frozenset(value for value in values if isinstance(value, str))
    return known
