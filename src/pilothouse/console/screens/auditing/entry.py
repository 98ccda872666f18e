"""One entry of the audit log, whole, with its place in the transparency log."""

from collections.abc import Sequence
from dataclasses import dataclass

from pilothouse.console.screens.page import PageView
from pilothouse.console.session import exporting
from pilothouse.console.session.actions import Action
from pilothouse.domain.audit.log_anchors import Coverage
from pilothouse.domain.errors import NotFoundError
from pilothouse.domain.identity.roles import Actor
from pilothouse.domain.records import AuditEntry
from pilothouse.operations.services import Services
from pilothouse.presentation.pages.work_pages import audit_page


@dataclass(frozen=True)
class EntryData:
    """The entry, and what covers it."""

    entry: AuditEntry
    coverage: Coverage


class EntryView(PageView[EntryData]):
    """``p`` writes the entry's proof."""

    SCOPE = "entry"
    TOP = "audit"
    RECORD_NAME = "an entry"

    def crumbs(self) -> Sequence[str]:
        return ("audit", self.number)

    def load(self, services: Services, actor: Actor) -> EntryData:
        from pilothouse.operations.transparency import proofs
        from pilothouse.operations.workspace import audits

        seq = self.record_number()
        entries = audits.show(services, actor, limit=1, before=seq + 1)
        if not entries or entries[0].seq != seq:
            raise NotFoundError(f"the audit log has no entry {seq}")
        return EntryData(entries[0], proofs.coverage(services, actor, seq))

    def show(self, data: EntryData) -> None:
        self.put_page(audit_page(data.entry, data.coverage))

    def refusal(self, action: Action) -> str:
        if action.name != "proof" or self.data is None:
            return ""
        if self.data.coverage.fault:
            return "it cannot be proven: the rows are not what the head says"
        return "" if self.data.coverage.head_size else "no signed head has it yet"

    def do_log(self) -> None:
        self.open_view("log")

    def do_proof(self) -> None:
        session, seq = self.session, self.record_number()

        def operation(services: Services, actor: Actor) -> str:
            from pilothouse.operations.transparency import proofs

            text = str(proofs.existing_proof(services, actor, seq))
            exported = exporting.export_text(session, f"row-{seq}.tlog-proof", text)
            if exported.clipboard:
                self.app.call_from_thread(self.app.copy_to_clipboard, exported.clipboard)
            return f"{exported.message}; pilothouse log verifier prints what verifies it"

        self.perform("written", operation)
