"""The chained log: who did what; its head; and whether it is whole."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from textual.app import ComposeResult
from textual.widgets import Static

from pilothouse.console.screens.base import View
from pilothouse.console.widgets.grid import Grid
from pilothouse.console.widgets.tones import line
from pilothouse.domain.records import AuditEntry, AuditHead
from pilothouse.domain.roles import Actor
from pilothouse.presentation.cell import Cell
from pilothouse.presentation.work_rows import audit_table

if TYPE_CHECKING:
    from pilothouse.console.actions import Action
    from pilothouse.operations.services import Services

_PAGE = 300


@dataclass(frozen=True)
class Log:
    """One page of the log, and its head."""

    entries: tuple[AuditEntry, ...]
    head: AuditHead


class AuditView(View[Log]):
    """``v`` recomputes the chain; ``:audit TEXT`` searches the whole log."""

    SCOPE = TOP = "audit"

    def __init__(self) -> None:
        super().__init__()
        self._before: int | None = None
        self._text = ""

    def body(self) -> ComposeResult:
        """The head and the entries."""
        yield Static(markup=False, id="head", classes="line")
        yield Grid(id="grid")

    def crumbs(self) -> tuple[str, ...]:
        """audit › search › before 1000."""
        return ("audit", *filter(None, [self._text, f"before {self._before}" if self._before else ""]))

    def set_arguments(self, *arguments: str) -> None:
        """``:audit TEXT``, or ``all``."""
        self._text, self._before = ("" if arguments[0] == "all" else arguments[0]), None
        self.ask_anew()

    def load(self, services: "Services", actor: Actor) -> Log:
        """One page and the head."""
        from pilothouse.operations import audits

        entries = audits.show(services, actor, limit=_PAGE, before=self._before, text=self._text)
        return Log(tuple(entries), audits.head(services, actor))

    def show(self, data: Log) -> None:
        """Head above, entries below."""
        self.query_one("#head", Static).update(
            line(
                Cell(" head ", "dim"),
                Cell(f"{data.head.count}:{data.head.hash}", "strong"),
                Cell("  keep it elsewhere", "dim"),
            )
        )
        self.query_one("#grid", Grid).put(audit_table(data.entries))
        self.focus_body()

    def refusal(self, action: "Action") -> str:
        """Older entries must be there."""
        if action.name == "older" and self.data and (not self.data.entries or self.data.entries[-1].seq <= 1):
            return "these are the first entries"
        if action.name == "open" and not (self.data and self.data.entries):
            return "there is no entry"
        return ""

    def subject(self) -> AuditEntry | None:
        """The entry under the cursor."""
        key = self.query_one("#grid", Grid).key
        return next((e for e in self.data.entries if str(e.seq) == key), None) if self.data else None

    def do_open(self) -> None:
        """The whole entry."""
        key = self.query_one("#grid", Grid).key
        if key:
            self.open_view("entry", key)

    def do_verify(self) -> None:
        """Recompute the chain."""

        def operation(services: "Services", actor: Actor) -> str:
            from pilothouse.operations import audits

            head = audits.verify(services, actor)
            return f"verified: {head.count} entries, head {head.hash}"

        self.say("computing every hash again …")
        self.perform("verified", operation)

    def do_older(self) -> None:
        """The page before."""
        if self.data and self.data.entries:
            self._before = self.data.entries[-1].seq
            self.ask_anew()

    def do_newest(self) -> None:
        """The newest page."""
        self._before = None
        self.ask_anew()
