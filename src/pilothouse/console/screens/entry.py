"""One entry of the audit log, whole."""

from collections.abc import Sequence

from pilothouse.console.screens.page import PageView
from pilothouse.domain.errors import NotFoundError
from pilothouse.domain.identity.roles import Actor
from pilothouse.domain.records import AuditEntry
from pilothouse.operations.services import Services
from pilothouse.presentation.pages.work_pages import audit_page


class EntryView(PageView[AuditEntry]):
    SCOPE = "entry"
    TOP = "audit"
    RECORD_NAME = "an entry"

    def crumbs(self) -> Sequence[str]:
        return ("audit", self.number)

    def load(self, services: Services, actor: Actor) -> AuditEntry:
        from pilothouse.operations.workspace import audits

        seq = self.record_number()
        entries = audits.show(services, actor, limit=1, before=seq + 1)
        if not entries or entries[0].seq != seq:
            raise NotFoundError(f"the audit log has no entry {seq}")
        return entries[0]

    def show(self, data: AuditEntry) -> None:
        self.put_page(audit_page(data))
