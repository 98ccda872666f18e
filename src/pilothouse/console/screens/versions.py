"""A model's versions, newest first."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pilothouse.console.screens import requesting
from pilothouse.console.screens.lists import WINDOW, Listed, TableView, listed
from pilothouse.domain.records import Model, Version
from pilothouse.domain.roles import Actor
from pilothouse.presentation.rows import version_table

if TYPE_CHECKING:
    from pilothouse.console.actions import Action
    from pilothouse.operations.services import Services


class VersionsView(TableView[Version]):
    """Enter shows everything on record about a version."""

    SCOPE = "versions"
    TOP = "models"

    def __init__(self, model: str) -> None:
        super().__init__()
        self.model = model
        self._model: Model | None = None

    def crumbs(self) -> Sequence[str]:
        """models › NAME."""
        return ("models", self.model)

    def load(self, services: "Services", actor: Actor) -> Listed[Version]:
        """The model's versions with its primary metric."""
        from pilothouse.operations import catalogue

        self._model = catalogue.get_model(services, actor, self.model)
        metric = catalogue.primary_metric(services, actor, self.model)
        versions = catalogue.list_versions(services, actor, self.model)[:WINDOW]
        return listed(versions, version_table(versions, metric), lambda v: v.number)

    def subject_model(self) -> str:
        """The model shown."""
        return self.model

    def refusal(self, action: "Action") -> str:
        """Requests need a version that passed its gates."""
        if action.name == "request":
            return requesting.refusal(self.record)
        if action.name in ("open", "compare") and self.record is None:
            return "there is no version yet"
        return ""

    def do_open(self) -> None:
        """The version."""
        self.open_view("version", f"{self.model}/{self.key}")

    def do_request(self) -> None:
        """Ask for its promotion."""
        if self.record and self._model:
            requesting.ask(self, self.record, self._model.targets)

    def do_compare(self) -> None:
        """Hold it against another."""
        if self.record and self._model:
            champion = self._model.aliases.get("champion")
            requesting.ask_compare(self, self.record, requesting.default_other(self.record, champion))

    def do_train(self) -> None:
        """Train the model."""
        self.open_view("train", self.model)
