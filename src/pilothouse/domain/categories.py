"""Text of a category or a class, the same everywhere: in training, serving and outcomes."""


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
    if isinstance(value, bool) or (isinstance(value, float) and value.is_integer()):
        return str(int(value))
    return str(value)


def _is_missing(value: object) -> bool:
    """NaN of any type differs from itself; pandas' NA refuses to say."""
    try:
        return bool(value != value)
    except TypeError:
        return True
