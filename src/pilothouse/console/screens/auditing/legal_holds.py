"""Legal holds: what may not be deleted, placed and lifted with a reason."""

from textual.app import ComposeResult
from textual.widgets import Static

from pilothouse.console.dialogs import Ask
from pilothouse.console.screens.lists import ListData, TableView, list_data
from pilothouse.console.session.actions import Action
from pilothouse.console.widgets.grid import Grid
from pilothouse.console.widgets.tones import line
from pilothouse.domain.errors import InvalidInputError
from pilothouse.domain.identity.roles import Actor
from pilothouse.domain.retention import EVERYTHING, LegalHold, parse_scope, scope_text
from pilothouse.operations.services import Services
from pilothouse.presentation.tables.legal_hold_rows import hold_cells, hold_table


class HoldsView(TableView[LegalHold]):
    """``p`` places a hold, ``ctrl+l`` lifts the one under the cursor, or those that are marked."""

    SCOPE = "legal-holds"
    TOP = "audit"

    def body(self) -> ComposeResult:
        yield Grid(id="grid")
        yield Static(markup=False, id="whole", classes="text")

    def show_selected(self) -> None:
        text = line(*hold_cells(self.record)) if self.record else ""
        self.query_one("#whole", Static).update(text)

    def crumbs(self) -> tuple[str, ...]:
        return ("audit", "legal holds")

    def load(self, services: Services, actor: Actor) -> ListData[LegalHold]:
        from pilothouse.operations.upkeep import retention

        holds = retention.list_holds(services, actor)
        return list_data(holds, hold_table(holds, services.now()), lambda h: h.id)

    def refusal(self, action: Action) -> str:
        if action.name != "lift":
            return ""
        if self.record is None:
            return "there is no hold"
        over = next((hold for hold in self.chosen if hold.lifted_at is not None), None)
        return f"hold {over.id} was lifted by {over.lifted_by} already" if over else ""

    def do_place(self) -> None:
        example = " ".join([*self.session.models[:1], *self.session.targets[:1]])
        question = Ask(
            "Place a legal hold on which predictions?",
            [
                f"A model, a target, or both{f', as in: {example}' if example else ''}. The word everything holds all of them.",
                "Their rows are not deleted, however old, until the hold is lifted. Serving goes on as it is.",
            ],
            field="on",
            required=True,
            value=EVERYTHING,
            confirm="say why",
        )
        self.ask(question, self._ask_reason)

    def _ask_reason(self, text: str) -> None:
        try:
            model, target = parse_scope(text, self.session.models, self.session.targets)
        except InvalidInputError as error:
            self.say(str(error), "bad")
            return
        question = Ask(
            f"Hold the predictions of {scope_text(model, target)}?",
            ["None of their rows is deleted until somebody lifts the hold. It is in the audit log."],
            field="reason",
            required=True,
            confirm="place the hold",
        )

        def operation(services: Services, actor: Actor, reason: str) -> str:
            from pilothouse.operations.upkeep import retention

            hold = retention.place_hold(services, actor, reason, model=model, target=target)
            return f"legal hold {hold.id} stands on {hold.scope}"

        self.confirm(question, operation)

    def do_lift(self) -> None:
        chosen = self.chosen
        question = Ask(
            f"Lift legal hold {chosen[0].id}?" if len(chosen) == 1 else f"Lift {len(chosen)} legal holds?",
            [
                *(f"{h.id}: {h.scope}, placed by {h.placed_by}: {h.reason}" for h in chosen),
                "What is due by then and under no other hold is deleted by the next round of retention, for good.",
            ],
            field="reason",
            required=True,
            confirm="lift",
            tone="bad",
        )

        def operation(services: Services, actor: Actor, reason: str) -> str:
            from pilothouse.operations.upkeep import retention

            for hold in chosen:
                retention.lift_hold(services, actor, hold.id, reason)
            return f"lifted: legal hold {', '.join(str(hold.id) for hold in chosen)}"

        self.confirm(question, operation)
