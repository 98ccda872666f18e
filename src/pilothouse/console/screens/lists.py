"""Views that are one table: they load records and the table made of them.

``TableView`` holds all rows of a short list; ``PagedView`` a window of a long one, which SQL filters and sorts.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

from textual.app import ComposeResult

from pilothouse.console.screens.base import View
from pilothouse.console.widgets.grid import Grid
from pilothouse.domain.errors import NotFoundError
from pilothouse.domain.identity.roles import Actor
from pilothouse.domain.listing import Page, Query, parse_filter
from pilothouse.operations.services import Services
from pilothouse.presentation.tables.table import Table

R = TypeVar("R")
WINDOW = 500
"""Rows of a list at most; older ones are reached with a filter or page by page."""
_HALF = 120


@dataclass(frozen=True)
class ListData(Generic[R]):
    """Records by key, and their table."""

    records: dict[str, R]
    table: Table


class TableView(View[ListData[R]]):
    """A table with a cursor."""

    def __init__(self) -> None:
        super().__init__()
        self._marked: dict[str, R] = {}

    def body(self) -> ComposeResult:
        yield Grid(id="grid")

    def show(self, data: ListData[R]) -> None:
        """Put the table; the cursor stays with its row."""
        self.query_one("#grid", Grid).put(data.table)

    @property
    def record(self) -> R | None:
        """The record under the cursor."""
        key = self.query_one("#grid", Grid).key
        return self.data.records.get(key) if self.data and key is not None else None

    @property
    def chosen(self) -> list[R]:
        """The records that an action is about: those marked, else the one under the cursor."""
        marked = self.query_one("#grid", Grid).marked
        latest = self.data.records if self.data else {}
        records = [latest.get(key, record) for key, record in self._marked.items() if key in marked]
        return records or ([self.record] if self.record is not None else [])

    def do_mark(self) -> None:
        """Mark the row and keep its record, since it may scroll out of the window."""
        if self.record is not None:
            self._marked[self.key] = self.record
        super().do_mark()

    @property
    def key(self) -> str:
        """The key of the row under the cursor; empty where there is none."""
        return (self.query_one("#grid", Grid).key or "") if self.data is not None else ""


class PagedView(TableView[R]):
    """A long list. Subclasses give ``page`` and ``table``; filter, order and position are kept in ``query_of_list`` for SQL."""

    def __init__(self) -> None:
        super().__init__()
        self.query_of_list = Query(after=2 * _HALF)
        self._total = 0
        self._counted: tuple[int, ...] | None = None
        """Revision and state of the database when the rows were counted."""

    def page(self, services: Services, actor: Actor, query: Query) -> Page[R]:
        """One window of the list. Runs in a thread."""
        raise NotImplementedError

    def table(self, services: Services, rows: Sequence[R]) -> Table:
        """The table of a window's rows. Runs in a thread."""
        raise NotImplementedError

    def key_of(self, record: R) -> Any:
        """The number of a row in SQL."""
        return record.id  # type: ignore[attr-defined]

    def row_key(self, record: R) -> Any:
        """The key of a row for the cursor."""
        return self.key_of(record)

    def check(self, services: Services, actor: Actor) -> None:
        """Raise where the subject of the view does not exist; for subclasses. Runs in a thread."""

    def narrowed(self, query: Query) -> Query:
        """The query restricted to the subject of the view; for subclasses."""
        return query

    def state_of(self, services: Services) -> int:
        """A number that changes when somebody writes to the list's database."""
        return services.registry.data_version()

    def load(self, services: Services, actor: Actor) -> ListData[R]:
        """Load a window; rows are counted only after a write or for another query."""
        self.check(services, actor)
        query = self.narrowed(self.query_of_list)
        state = (self._revision, self.state_of(services))
        counting = state != self._counted or bool(query.filter)
        window = self.page(services, actor, replace(query, count=counting))
        if window.total is None or window.first is None:
            first, total = self._position(window.rows), self._total
        else:
            first, total = window.first, window.total
        self._counted, self._total = state, total
        self._rows_at = (first, tuple(self.key_of(row) for row in window.rows))
        records = {str(self.row_key(record)): record for record in window.rows}
        return ListData(records, replace(self.table(services, window.rows), first=first, total=total))

    _rows_at: tuple[int, tuple[Any, ...]] = (0, ())

    def _position(self, rows: Sequence[R]) -> int:
        """The position of the window, from the one before: they overlap, or one of them is an end of the list."""
        query = self.query_of_list
        if query.from_end:
            return max(0, self._total - len(rows))
        if query.anchor is None:
            return 0
        first, before = self._rows_at
        keys = [self.key_of(row) for row in rows]
        if query.anchor in before and query.anchor in keys:
            return max(0, first + before.index(query.anchor) - keys.index(query.anchor))
        return first

    def on_grid_edge(self, message: Grid.Edge) -> None:
        """Load the rows around the cursor, or the first or last ones."""
        message.stop()
        record = self.record
        if message.where == "here" and record is not None:
            query = replace(
                self.query_of_list, anchor=self.key_of(record), from_end=False, before=_HALF, after=_HALF
            )
        else:
            query = replace(
                self.query_of_list, anchor=None, from_end=message.where == "end", before=0, after=2 * _HALF
            )
        if query != self.query_of_list:
            self.query_of_list = query
            self.reload()

    def on_grid_sorted(self, message: Grid.Sorted) -> None:
        message.stop()
        self._query_from_top(sort=message.column, descending=message.descending)

    def do_unhealthy(self) -> None:
        """Show only unhealthy rows, or all: SQL decides."""
        grid = self.query_one("#grid", Grid)
        grid.unhealthy = not grid.unhealthy
        grid.begin_at_top()
        self._query_from_top(unhealthy=grid.unhealthy)

    def _apply_filter(self) -> None:
        super()._apply_filter()
        self._query_from_top(filter=parse_filter(self.filter_text))

    def _query_from_top(self, **changes: Any) -> None:
        query = replace(self.query_of_list, **changes, anchor=None, from_end=False, before=0, after=2 * _HALF)
        if query != self.query_of_list:
            self.query_of_list = query
            self.invalidate()


def check_model(services: Services, actor: Actor, model: str) -> None:
    """Raise NotFoundError where there is no model of that name. An empty name is accepted."""
    from pilothouse.operations import catalogue

    if not model:
        return
    known = [record.name for record in catalogue.list_models(services, actor)]
    if model not in known:
        raise NotFoundError(f"there is no model {model[:40]!r}: expected {', '.join(known) or 'none yet'}")


def list_data(records: Sequence[Any], table: Table, key: Callable[[Any], Any]) -> ListData[Any]:
    """Records with their table, keyed as its rows are."""
    return ListData({str(key(record)): record for record in records}, table)
