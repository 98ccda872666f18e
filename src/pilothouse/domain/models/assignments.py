"""Values of a model file as a user assigns them: ``NAME=VALUE``."""

from collections.abc import Sequence

from pilothouse.domain.errors import InvalidInputError
from pilothouse.domain.models.model_spec import Scalar


def parse_assignments(pairs: Sequence[str]) -> dict[str, Scalar]:
    """``("training.parameters.max_depth=3",)`` → ``{"training.parameters.max_depth": 3}``. Raises InvalidInputError."""
    values: dict[str, Scalar] = {}
    for pair in pairs:
        key, equals, text = pair.partition("=")
        if not equals or not key:
            raise InvalidInputError(f"{pair!r} is not KEY=VALUE, e.g. training.parameters.max_depth=3")
        values[key.strip()] = parse_scalar(text.strip())
    return values


def parse_scalar(text: str) -> Scalar:
    """``true`` and ``false``, else a whole number, else a number, else the text itself."""
    if text in ("true", "false"):
        return text == "true"
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
