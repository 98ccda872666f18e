"""A model's versions, newest first."""

from collections.abc import Sequence
from dataclasses import replace

from pilothouse.console.screens.lists import ListData, PagedView
from pilothouse.console.screens.promotion import requesting
from pilothouse.console.session.actions import Action
from pilothouse.domain.identity.roles import Actor
from pilothouse.domain.listing import Page, Query
from pilothouse.domain.records import Model, Version
from pilothouse.operations.services import Services
from pilothouse.presentation.documents import plain_text
from pilothouse.presentation.pages.record_courses import versions_course
from pilothouse.presentation.tables.registry_rows import version_table
from pilothouse.presentation.tables.table import Table


class VersionsView(PagedView[Version]):
    """Enter shows everything on record about a version."""

    SCOPE = "versions"
    REGISTRY_ALONE = True
    TOP = "models"

    def __init__(self, model: str) -> None:
        super().__init__()
        self.model = model
        self._model: Model | None = None
        self._metric = ""

    def crumbs(self) -> Sequence[str]:
        return ("models", self.model)

    def load(self, services: Services, actor: Actor) -> ListData[Version]:
        from pilothouse.operations import catalogue

        self._model = catalogue.get_model(services, actor, self.model)
        self._metric = catalogue.primary_metric(services, actor, self.model)
        return super().load(services, actor)

    def narrowed(self, query: Query) -> Query:
        return replace(query, where=(("model", self.model),))

    def page(self, services: Services, actor: Actor, query: Query) -> Page[Version]:
        from pilothouse.operations import listings

        return listings.versions_page(services, actor, query)

    def table(self, services: Services, rows: Sequence[Version]) -> Table:
        return version_table(rows, self._metric)

    def row_key(self, record: Version) -> int:
        return record.number

    def copy_text(self) -> str:
        """References, which are understood wherever a version is asked for."""
        return "\n".join(f"models:/{version.model}/{version.number}" for version in self.chosen)

    def subject_model(self) -> str:
        return self.model

    def refusal(self, action: Action) -> str:
        if action.name == "request":
            return requesting.refusal(self.record, self._model.targets if self._model else ())
        if action.name in ("open", "compare", "course") and self.record is None:
            return "there is no version yet"
        return ""

    def do_open(self) -> None:
        self.open_view("version", f"{self.model}/{self.key}")

    def do_request(self) -> None:
        if self.record and self._model:
            requesting.ask(self, self.record, self._model.targets)

    def do_compare(self) -> None:
        if self.record and self._model:
            requesting.ask_compare(self, self.record, self._model.aliases.get("champion"))

    def do_course(self) -> None:
        if self.data:
            lines = versions_course(list(self.data.records.values()), max(40, self.size.width - 14))
            self.read_text(f"{self.model}: its versions", plain_text(lines), lambda _: lines)

    def do_train(self) -> None:
        self.open_view("train", self.model)
