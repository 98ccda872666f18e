"""Views that are one table: what they load is the records and the table made of them.

``TableView`` holds all rows of a short list; ``PagedView`` a window of a long one, which SQL filters and sorts.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from textual.app import ComposeResult

from pilothouse.console.screens.base import View
from pilothouse.console.widgets.grid import Grid
from pilothouse.domain.errors import NotFoundError
from pilothouse.domain.listing import Page, Query, parse_filter
from pilothouse.domain.roles import Actor
from pilothouse.presentation.tables.table import Table

if TYPE_CHECKING:
    from pilothouse.operations.services import Services

R = TypeVar("R")
WINDOW = 500
"""Rows that a list shows at most; older ones are found with a filter or page by page."""
_HALF = 120


@dataclass(frozen=True)
class Listed(Generic[R]):
    """Records by key, and how they are shown."""

    records: dict[str, R]
    table: Table


class TableView(View[Listed[R]]):
    """A table with a cursor; ``record`` is what the cursor is on."""

    def __init__(self) -> None:
        super().__init__()
        self._marked: dict[str, R] = {}

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
    def chosen(self) -> list[R]:
        """The records that are marked, else the one under the cursor: what an action is about."""
        marked = self.query_one("#grid", Grid).marked
        now = self.data.records if self.data else {}
        found = [now.get(key, record) for key, record in self._marked.items() if key in marked]
        return found or ([self.record] if self.record is not None else [])

    def do_mark(self) -> None:
        """Mark the row, or take the mark away; the record is kept, since it may scroll out of the window."""
        if self.record is not None:
            self._marked[self.key] = self.record
        super().do_mark()

    @property
    def key(self) -> str:
        """The key of the row under the cursor, empty where there is none."""
        return (self.query_one("#grid", Grid).key or "") if self.data is not None else ""


class PagedView(TableView[R]):
    """A long list. Subclasses give ``page`` and ``table``; filter, order and place are kept in ``query`` and asked in SQL."""

    def __init__(self) -> None:
        super().__init__()
        self.query_of_list = Query(after=2 * _HALF)
        self._total = 0
        self._seen: tuple[int, ...] | None = None

    def page(self, services: "Services", actor: Actor, query: Query) -> Page[R]:
        """One window of the list. Runs in a thread."""
        raise NotImplementedError

    def table(self, services: "Services", rows: Sequence[R]) -> Table:
        """How its rows are shown. Runs in a thread."""
        raise NotImplementedError

    def key_of(self, record: R) -> Any:
        """The number by which SQL knows a row."""
        return record.id  # type: ignore[attr-defined]

    def row_key(self, record: R) -> Any:
        """The key by which the cursor knows it."""
        return self.key_of(record)

    def check(self, services: "Services", actor: Actor) -> None:
        """Raise where what the view is of does not exist; for subclasses. Runs in a thread."""

    def narrowed(self, query: Query) -> Query:
        """The query with what the view is of; for subclasses."""
        return query

    def state_of(self, services: "Services") -> int:
        """What moves when somebody has written where the list lies."""
        return services.registry.data_version()

    def load(self, services: "Services", actor: Actor) -> Listed[R]:
        """The window; counted only where somebody has written or something else is asked."""
        self.check(services, actor)
        query = self.narrowed(self.query_of_list)
        state = (self._question, self.state_of(services))
        counting = state != self._seen or bool(query.filter)
        found = self.page(services, actor, replace(query, count=counting))
        if found.total is None or found.first is None:
            first, total = self._known_place(found.rows), self._total
        else:
            first, total = found.first, found.total
        self._seen, self._total = state, total
        self._rows_at = (first, tuple(self.key_of(row) for row in found.rows))
        records = {str(self.row_key(record)): record for record in found.rows}
        return Listed(records, replace(self.table(services, found.rows), first=first, total=total))

    _rows_at: tuple[int, tuple[Any, ...]] = (0, ())

    def _known_place(self, rows: Sequence[R]) -> int:
        """Where the window lies, from the one before it: they overlap, or one of them is an end of the list."""
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
        """The rows around the cursor, or the first or last ones."""
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
        """Another order, from its beginning."""
        message.stop()
        self._ask_from_the_top(sort=message.column, descending=message.descending)

    def do_unhealthy(self) -> None:
        """Only what is unhealthy, or everything: SQL decides."""
        grid = self.query_one("#grid", Grid)
        grid.unhealthy = not grid.unhealthy
        grid.begin_at_top()
        self._ask_from_the_top(unhealthy=grid.unhealthy)

    def _apply_filter(self) -> None:
        super()._apply_filter()
        self._ask_from_the_top(filter=parse_filter(self.filter_text))

    def _ask_from_the_top(self, **changes: Any) -> None:
        query = replace(self.query_of_list, **changes, anchor=None, from_end=False, before=0, after=2 * _HALF)
        if query != self.query_of_list:
            self.query_of_list = query
            self.ask_anew()


def check_model(services: "Services", actor: Actor, model: str) -> None:
    """Raise NotFoundError where a model is named (empty: none is) and there is no such one."""
    from pilothouse.operations import catalogue

    if not model:
        return
    known = [found.name for found in catalogue.list_models(services, actor)]
    if model not in known:
        raise NotFoundError(f"there is no model {model[:40]!r}: expected {', '.join(known) or 'none yet'}")


def listed(records: Sequence[Any], table: Table, key: Callable[[Any], Any]) -> Listed[Any]:
    """Records and their table, joined by the key of each row."""
    return Listed({str(key(record)): record for record in records}, table)
