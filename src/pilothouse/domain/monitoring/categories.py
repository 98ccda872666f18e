"""Text of a category or a class, the same everywhere: in training, serving and outcomes."""

from collections.abc import Collection
from decimal import Decimal


def category_text(value: object) -> str | None:
    """The text of a category: ``1``, ``1.0``, ``True`` and ``"1"`` are one; None and not-a-number are missing (None).

    Scalars of the array libraries count as the Python value that they hold.
    """
    if type(value) is str:
        return value
    item = getattr(value, "item", None)
    if callable(item):
        value = item()
    if value is None or _is_missing(value):
        return None
    if isinstance(value, Decimal):
        return _decimal_text(value)
    if isinstance(value, bool) or (isinstance(value, float) and value.is_integer()):
        return str(int(value))
    return str(value)


def _decimal_text(value: Decimal) -> str:
    """Text of an exact decimal as of the number that it is: ``1.50`` and ``1.5`` are one category, whatever the scale of its
    column."""
    text = format(value, "f")
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text == "-0" else text


def class_of(value: object, classes: Collection[str]) -> str | None:
    """The class that a value names, or None. Where none is written like it, a number counts by its value (``1.0`` is ``1``),
    and ``true`` and ``false`` are 1 and 0."""
    text = category_text(value)
    if text is None or text in classes:
        return text
    if text.lower() in ("true", "false"):
        number = str(int(text.lower() == "true"))
    else:
        whole, point, zeros = text.partition(".")  # 3.10 is not 3.1, and 007 not 7
        number = whole if point and not zeros.strip("0") else ""
    return number if number in classes else None


def _is_missing(value: object) -> bool:
    """NaN of any type differs from itself; pandas' NA refuses to say."""
    try:
        return bool(value != value)
    except TypeError:
        return True
