"""Conditions of a query from what is given. ``? IS NULL OR x = ?`` in its stead keeps SQLite from using an index on x."""

from collections.abc import Mapping


def where(given: Mapping[str, object], *always: str) -> tuple[str, tuple[object, ...]]:
    """``WHERE`` with its values: the conditions of ``given`` whose value is not None, after those that always hold.

    ``where({"m.name = ?": model, "j.id < ?": None}, "j.parent_id IS NULL")`` →
    ``("WHERE j.parent_id IS NULL AND m.name = ?", (model,))``.
    """
    values = {condition: value for condition, value in given.items() if value is not None}
    conditions = [*always, *values]
    return f"WHERE {' AND '.join(conditions)}" if conditions else "", tuple(values.values())


def marks(numbers: tuple[object, ...]) -> str:
    """Placeholders for an IN: ``(?, ?, ?)``."""
    return f"({', '.join('?' * len(numbers))})"
