"""Views that are one table: what they load is the records and the table made of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from textual.app import ComposeResult

from pilothouse.console.screens.base import View
from pilothouse.console.widgets.grid import Grid
from pilothouse.presentation.tables import Table

R = TypeVar("R")
WINDOW = 500
"""Rows that a list shows at most; older ones are found with a filter or page by page."""


@dataclass(frozen=True)
class Listed(Generic[R]):
    """Records by key, and how they are shown."""

    records: dict[str, R]
    table: Table


class TableView(View[Listed[R]]):
    """A table with a cursor; ``record`` is what the cursor is on."""

    def body(self) -> ComposeResult:
        """One grid."""
        yield Grid(id="grid")

    def show(self, data: Listed[R]) -> None:
        """Put the table; the cursor stays with its row."""
        self.query_one("#grid", Grid).put(data.table)

    @property
    def record(self) -> R | None:
        """The record under the cursor."""
        key = self.query_one("#grid", Grid).key
        return self.data.records.get(key) if self.data and key is not None else None

    @property
    def key(self) -> str:
        """The key of the row under the cursor, empty where there is none."""
        return self.query_one("#grid", Grid).key or ""


def listed(records: Sequence[Any], table: Table, key: Any) -> Listed[Any]:
    """Records and their table, joined by the key of each row."""
    return Listed({str(key(record)): record for record in records}, table)
