"""The inventory of models: what each is for, who answers for it, and when its next review is due."""

from datetime import datetime, timedelta

from rich.text import Text
from textual.app import ComposeResult
from textual.widgets import Static

from pilothouse.console.dialogs import Ask
from pilothouse.console.screens.lists import ListData, TableView, list_data
from pilothouse.console.session.actions import Action
from pilothouse.console.widgets.grid import Grid
from pilothouse.console.widgets.tones import line
from pilothouse.domain.audit.inventory import InventoryEntry, ReviewOutcome
from pilothouse.domain.identity.roles import Actor
from pilothouse.operations.services import Services
from pilothouse.presentation.tables.inventory_rows import inventory_cells, inventory_table


class InventoryView(TableView[InventoryEntry]):
    """Below the table stands what is said of the model under the cursor; ``r`` records a review of it."""

    SCOPE = "inventory"
    TOP = "models"
    REGISTRY_ALONE = True
    _now: datetime

    def body(self) -> ComposeResult:
        grid = Grid(id="grid")
        grid.none_unhealthy = "no review is due, no model was found unfit, and none that is retired is live"
        yield grid
        yield Static(markup=False, id="whole", classes="text")

    def crumbs(self) -> tuple[str, ...]:
        return ("models", "inventory")

    def load(self, services: Services, actor: Actor) -> ListData[InventoryEntry]:
        from pilothouse.operations.dossier import inventory

        self._now = services.now()
        entries = inventory.list_inventory(services, actor)
        return list_data(entries, inventory_table(entries), lambda entry: entry.model)

    def show_selected(self) -> None:
        lines = inventory_cells(self.record) if self.record else []
        self.query_one("#whole", Static).update(Text("\n").join(line(*cells) for cells in lines))

    def subject_model(self) -> str:
        return self.key

    def refusal(self, action: Action) -> str:
        return "there is no model yet" if not self.key else ""

    def do_review(self) -> None:
        model, in_a_year = self.key, self._now + timedelta(days=365)
        question = Ask(
            f"What did you find of {model}?",
            [
                f"One word of {', '.join(ReviewOutcome)}, then the date by which it is reviewed again.",
                "conditions: it is fit under conditions, which the reason names; unfit stays an open item.",
            ],
            field="found",
            required=True,
            value=f"{ReviewOutcome.FIT} {in_a_year:%Y-%m-%d}",
            confirm="say why",
        )
        self.ask(question, lambda text: self._ask_reason(model, text))

    def _ask_reason(self, model: str, text: str) -> None:
        word, _, day = text.strip().partition(" ")
        if word not in set(ReviewOutcome):
            self.say(f"{word!r} is no outcome: expected {', '.join(ReviewOutcome)}, then a date", "bad")
            return
        outcome = ReviewOutcome(word)
        question = Ask(
            f"Record {model} as {outcome}, the next review by {day.strip()}?",
            ["It is in the audit log with your name, and in the dossiers of its versions."],
            field="reason",
            required=True,
            confirm="record it",
        )

        def operation(services: Services, actor: Actor, reason: str) -> str:
            from pilothouse.operations.dossier import inventory

            entry = inventory.review(services, actor, model, outcome, next_review=day.strip(), reason=reason)
            return f"{model} is reviewed: {outcome}; the next review is due on {entry.due}"

        self.confirm(question, operation)

    def do_open(self) -> None:
        self.open_view("versions", self.key)

    def do_monitor(self) -> None:
        self.open_view("monitor", self.key)
