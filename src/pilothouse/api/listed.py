"""Values as a list that a notebook shows as one table, and pandas takes as one frame."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, SupportsIndex, TypeVar, overload

from pilothouse.api.showing import Shown, table_html

V = TypeVar("V", bound=Shown)
_MOST_COLUMNS = 30
_PLAIN = (bool, int, float, str, datetime, type(None))


class Listed(list[V]):
    """A list of values: a table where a notebook shows it, and a DataFrame by ``to_pandas``."""

    @overload
    def __getitem__(self, place: SupportsIndex, /) -> V: ...
    @overload
    def __getitem__(self, place: slice, /) -> "Listed[V]": ...
    def __getitem__(self, place: SupportsIndex | slice, /) -> "V | Listed[V]":
        """A value, or some of them as such a list."""
        return Listed(super().__getitem__(place)) if isinstance(place, slice) else super().__getitem__(place)

    def to_pandas(self) -> Any:
        """A DataFrame with a row for each value, and a column for each parameter and metric (``parameters.depth``,
        ``metrics.auc``)."""
        return frame_of([row_of(one) for one in self])

    def _repr_html_(self) -> str:
        rows = [row_of(one) for one in self]
        names = columns_of(
            [{name: value for name, value in row.items() if value not in (None, "")} for row in rows]
        )
        columns = names[:_MOST_COLUMNS]
        left = len(names) - len(columns)
        table = table_html("", columns, [[_text(row.get(name)) for name in columns] for row in rows])
        return (table or "<p>none</p>") + (f"<p>and {left} more columns</p>" if left else "")


def frame_of(rows: Sequence[Mapping[str, Any]]) -> Any:
    """A DataFrame of rows by name, made by way of pyarrow; a row without a column has nothing there."""
    import pyarrow as pa

    return pa.table({name: [row.get(name) for row in rows] for name in columns_of(rows)}).to_pandas()


def columns_of(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Names of the columns of rows as they come, those of one kind (``metrics.…``) beside each other."""
    kinds: dict[str, dict[str, None]] = {}
    for row in rows:
        for name in row:
            kinds.setdefault(name.partition(".")[0], {})[name] = None
    return [name for names in kinds.values() for name in names]


def row_of(value: Shown) -> dict[str, Any]:
    """The fields of a value that a row shows, each parameter and metric by itself."""
    row: dict[str, Any] = {}
    for name in value._ROW:
        found = getattr(value, name)
        if isinstance(found, Mapping):
            row |= {f"{name}.{key}": one for key, one in sorted(found.items())}
        elif isinstance(found, tuple) and found and not isinstance(found[0], _PLAIN):
            row |= {f"{name}.{one.name}": one.value for one in found if not one.slice}
        elif isinstance(found, tuple):
            row[name] = " ".join(map(str, found))
        else:
            row[name] = found
    return row


def _text(value: object) -> str:
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M}"
    if isinstance(value, float):
        return f"{value:.6g}"
    return "" if value is None else str(value)
