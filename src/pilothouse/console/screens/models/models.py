"""The models as applied, with their health."""

from pilothouse.console.screens.lists import ListData, TableView, list_data
from pilothouse.console.session.actions import Action
from pilothouse.domain.identity.roles import Actor
from pilothouse.domain.records import Model
from pilothouse.operations.services import Services
from pilothouse.presentation.tables.registry_rows import model_table


class ModelsView(TableView[Model]):
    """Enter shows a model's versions."""

    SCOPE = TOP = "models"
    REGISTRY_ALONE = True

    def load(self, services: Services, actor: Actor) -> ListData[Model]:
        from pilothouse.operations import catalogue
        from pilothouse.operations.fleet import health

        models = catalogue.list_models(services, actor)
        table = model_table(models, health.health_of_models(services, actor))
        return list_data(models, table, lambda m: m.name)

    def subject_model(self) -> str:
        return self.key

    def refusal(self, action: Action) -> str:
        return "there is no model yet" if not self.key else ""

    def do_open(self) -> None:
        self.open_view("versions", self.key)

    def do_train(self) -> None:
        self.open_view("train", self.key)

    def do_inventory(self) -> None:
        self.open_view("inventory")

    def do_monitor(self) -> None:
        self.open_view("monitor", self.key)
