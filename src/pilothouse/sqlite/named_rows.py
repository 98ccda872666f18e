"""Rows with access by name, for a driver that has none of its own."""

import functools
from collections.abc import Iterator, Sequence
from typing import Any


class Columns:
    """Names of a row's columns, and the index of each, whatever its case."""

    __slots__ = ("indexes", "names")

    def __init__(self, names: tuple[str, ...]) -> None:
        self.names = names
        self.indexes: dict[str, int] = {}
        for index, name in enumerate(names):
            self.indexes[name] = self.indexes.setdefault(name.lower(), index)


columns_named = functools.lru_cache(maxsize=512)(Columns)
"""Columns of these names, cached: a statement that runs again has them already."""


class Row:
    """Row with values by index and by name. It is no tuple and equals none."""

    __slots__ = ("_columns", "_values")

    def __init__(self, columns: Columns, _: object, values: tuple[Any, ...]) -> None:
        self._columns = columns
        self._values = values

    def __getitem__(self, key: Any) -> Any:
        if not isinstance(key, str):
            return self._values[key]
        indexes = self._columns.indexes
        index = indexes.get(key)
        if index is None:
            index = indexes.get(key.lower())
            if index is None:
                raise IndexError("No item with that key")
        return self._values[index]

    def keys(self) -> list[str]:
        return list(self._columns.names)

    def __len__(self) -> int:
        return len(self._values)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._values)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Row):
            return NotImplemented
        return self._values == other._values and self._columns.names == other._columns.names

    def __hash__(self) -> int:
        return hash((self._columns.names, self._values))


Sequence.register(Row)  # as the standard module does: the values of one statement may be bound in another
