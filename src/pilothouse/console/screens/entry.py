"""One entry of the audit log, whole."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from textual.app import ComposeResult

from pilothouse.console.screens.base import View
from pilothouse.console.widgets.pager import Pager
from pilothouse.domain.errors import InvalidInputError, NotFoundError
from pilothouse.domain.records import AuditEntry
from pilothouse.domain.roles import Actor
from pilothouse.presentation.work_pages import audit_page

if TYPE_CHECKING:
    from pilothouse.operations.services import Services


class EntryView(View[AuditEntry]):
    """One text to read."""

    SCOPE = "entry"
    TOP = "audit"

    def __init__(self, seq: str) -> None:
        super().__init__()
        self.seq = seq

    def body(self) -> ComposeResult:
        """The entry."""
        yield Pager(id="page")

    def crumbs(self) -> Sequence[str]:
        """audit › 17."""
        return ("audit", self.seq)

    def load(self, services: "Services", actor: Actor) -> AuditEntry:
        """The entry."""
        from pilothouse.operations import audits

        if not self.seq.isdecimal():
            raise InvalidInputError(f"{self.seq!r} is not the number of an entry: :audit lists them")
        found = audits.show(services, actor, limit=1, before=int(self.seq) + 1)
        if not found or found[0].seq != int(self.seq):
            raise NotFoundError(f"the audit log has no entry {self.seq}")
        return found[0]

    def show(self, data: AuditEntry) -> None:
        """Everything that is hashed."""
        self.query_one(Pager).put(audit_page(data))
        self.focus_body()
