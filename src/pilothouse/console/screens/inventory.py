"""The inventory of models: what each is for, who answers for it, and when its next review is due."""

from rich.text import Text
from textual.app import ComposeResult
from textual.widgets import Static

from pilothouse.console.screens.lists import ListData, TableView, list_data
from pilothouse.console.session.actions import Action
from pilothouse.console.widgets.grid import Grid
from pilothouse.console.widgets.tones import line
from pilothouse.domain.inventory import InventoryEntry
from pilothouse.domain.roles import Actor
from pilothouse.operations.services import Services
from pilothouse.presentation.tables.inventory_rows import inventory_cells, inventory_table


class InventoryView(TableView[InventoryEntry]):
    """Below the table stands what is said of the model under the cursor. Reviews are recorded by ``pilothouse review``."""

    SCOPE = "inventory"
    TOP = "models"
    REGISTRY_ALONE = True

    def body(self) -> ComposeResult:
        grid = Grid(id="grid")
        grid.none_unhealthy = "no review is due, no model was found unfit, and none that is retired is live"
        yield grid
        yield Static(markup=False, id="whole", classes="text")

    def crumbs(self) -> tuple[str, ...]:
        return ("models", "inventory")

    def load(self, services: Services, actor: Actor) -> ListData[InventoryEntry]:
        from pilothouse.operations.dossier import inventory

        entries = inventory.list_inventory(services, actor)
        return list_data(entries, inventory_table(entries), lambda entry: entry.model)

    def show_selected(self) -> None:
        lines = inventory_cells(self.record) if self.record else []
        self.query_one("#whole", Static).update(Text("\n").join(line(*cells) for cells in lines))

    def subject_model(self) -> str:
        return self.key

    def refusal(self, action: Action) -> str:
        return "there is no model yet" if not self.key else ""

    def do_open(self) -> None:
        self.open_view("versions", self.key)

    def do_monitor(self) -> None:
        self.open_view("monitor", self.key)
