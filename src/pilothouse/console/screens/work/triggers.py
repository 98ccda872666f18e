"""Triggers, and whether they would start a training now; below, or with ``f`` alone, the recent work of automation."""

from dataclasses import dataclass
from datetime import datetime

from textual.app import ComposeResult

from pilothouse.console.screens.base import View
from pilothouse.console.screens.lists import check_model
from pilothouse.console.session.actions import Action
from pilothouse.console.widgets.grid import Grid
from pilothouse.console.widgets.pager import Pager
from pilothouse.domain.identity.roles import Actor
from pilothouse.domain.jobs.triggers import ActivityEntry, Starter
from pilothouse.operations.services import Services
from pilothouse.presentation.tables.trigger_rows import (
    activity_lines,
    activity_table,
    starter_lines,
    starter_table,
)

_ENTRIES = 200
"""Entries of the activity that are shown at most."""


@dataclass(frozen=True)
class AutomationData:
    """Triggers and activity, and the time of loading (to the minute: a second must repaint nothing)."""

    starters: tuple[Starter, ...]
    entries: tuple[ActivityEntry, ...]
    now: datetime


class TriggersView(View[AutomationData]):
    """``:triggers MODEL`` shows one model's."""

    SCOPE = "triggers"
    TOP = "schedules"

    def __init__(self, model: str = "") -> None:
        super().__init__()
        self.model = model
        self._feed = False

    def body(self) -> ComposeResult:
        """The triggers, the facts of the one under the cursor, and the feed; or the feed, and its entry under the cursor."""
        yield Grid(id="grid")
        facts = Pager(id="facts")
        facts.can_focus = False
        yield facts
        yield Grid(id="feed")
        entry = Pager(id="entry")
        entry.can_focus = False
        yield entry

    def crumbs(self) -> tuple[str, ...]:
        return (
            "schedules",
            "triggers",
            *filter(None, [self.model]),
            *([self._did()] if self._feed else []),
        )

    def _did(self) -> str:
        """The list of what automation did; it says where it is not whole."""
        cut = self.data is not None and len(self.data.entries) >= _ENTRIES
        return f"what it did: the newest {_ENTRIES}" if cut else "what it did"

    def load(self, services: Services, actor: Actor) -> AutomationData:
        from pilothouse.operations.automation import automation_activity

        model = self.model or None
        check_model(services, actor, self.model)
        return AutomationData(
            tuple(automation_activity.list_starters(services, actor, model=model)),
            tuple(automation_activity.list_activity(services, actor, model=model, limit=_ENTRIES)),
            services.now().replace(second=0, microsecond=0),
        )

    def show(self, data: AutomationData) -> None:
        """Paint all parts; the feed has the cursor where it is alone."""
        grid, feed = self.query_one("#grid", Grid), self.query_one("#feed", Grid)
        grid.put(starter_table(data.starters, data.now))
        feed.put(activity_table(data.entries, data.now))
        grid.display = not self._feed
        feed.can_focus = self._feed
        self.show_selected()
        self.focus_body()

    def show_selected(self) -> None:
        selected = self.selected
        facts, entry = self.query_one("#facts", Pager), self.query_one("#entry", Pager)
        facts.display, entry.display = isinstance(selected, Starter), isinstance(selected, ActivityEntry)
        if isinstance(selected, Starter):
            facts.put(starter_lines(selected))
        elif isinstance(selected, ActivityEntry):
            entry.put(activity_lines(selected))

    @property
    def selected(self) -> Starter | ActivityEntry | None:
        """The trigger or entry under the cursor."""
        if self.data is None:
            return None
        if self._feed:
            key = self.query_one("#feed", Grid).key
            keys = [row.key for row in activity_table(self.data.entries, self.data.now).rows]
            return self.data.entries[keys.index(key)] if key in keys else None
        key = self.query_one("#grid", Grid).key
        return next((s for s in self.data.starters if s.id == key), None)

    @property
    def job(self) -> int | None:
        """The job that it started last."""
        selected = self.selected
        if isinstance(selected, Starter):
            return selected.started.job if selected.started else None
        return selected.job if selected else None

    def subject_model(self) -> str:
        return self.selected.model if self.selected else ""

    def refusal(self, action: Action) -> str:
        if action.name in ("feed", "schedules"):
            return ""
        if self.selected is None:
            return "there is no trigger" if not self._feed else "automation has done nothing yet"
        return "no job has come of it" if action.name == "open" and self.job is None else ""

    def do_open(self) -> None:
        if self.job is not None:
            self.open_view("job", self.job)

    def do_feed(self) -> None:
        self._feed = not self._feed
        self.refresh_chrome()
        if self.data is not None:
            self.show(self.data)

    def do_schedules(self) -> None:
        self.open_view("schedules")
