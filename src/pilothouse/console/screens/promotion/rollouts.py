"""Roll-outs: versions on their way over their targets, those on their way first, and those that have ended."""

from pilothouse.console.screens.lists import ListData, TableView, list_data
from pilothouse.console.session.actions import Action
from pilothouse.domain.identity.roles import Actor
from pilothouse.domain.rollouts.rollout import Rollout
from pilothouse.operations.services import Services
from pilothouse.presentation.tables.rollouts import rollout_table


class RolloutsView(TableView[Rollout]):
    """Newest first, open ones before the others; Enter opens one."""

    SCOPE = "rollouts"
    TOP = "deployments"
    REGISTRY_ALONE = True

    def __init__(self, model: str = "") -> None:
        super().__init__()
        self._model = model

    def crumbs(self) -> tuple[str, ...]:
        return ("deployments", *((self._model,) if self._model else ()), "roll-outs")

    def load(self, services: Services, actor: Actor) -> ListData[Rollout]:
        from pilothouse.operations.rollouts import views

        found = views.list_rollouts(services, actor, model=self._model or None)
        found.sort(key=lambda one: not one.state.is_open)
        return list_data(found, rollout_table(found, services.now()), lambda one: one.id)

    def subject_model(self) -> str:
        return self.record.model if self.record else self._model

    def refusal(self, action: Action) -> str:
        return "" if self.record else "there is no roll-out here"

    def do_open(self) -> None:
        self.open_view("rollout", self.key)

    def do_evidence(self) -> None:
        if self.record:
            self.open_view("evidence", self.record.request_id)

    def do_monitor(self) -> None:
        if self.record:
            self.open_view("monitor", self.record.model)
