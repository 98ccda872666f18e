"""Deployments, the worst first: which version is live, which process answers, how it is and why; and rolling back."""

from collections.abc import Sequence
from dataclasses import replace

from pilothouse.console.dialogs import Ask
from pilothouse.console.screens.lists import PagedView, check_model
from pilothouse.console.screens.monitoring.roll_back import ask_roll_back
from pilothouse.console.session.actions import Action
from pilothouse.domain.identity.roles import Actor
from pilothouse.domain.listing import Page, Query
from pilothouse.domain.monitoring.monitoring import TargetState
from pilothouse.domain.records import Hold
from pilothouse.operations.services import Services
from pilothouse.presentation.tables.registry_rows import deployment_table
from pilothouse.presentation.tables.table import Table


class DeploymentsView(PagedView[TargetState]):
    """``ctrl+l`` rolls back one target or those marked, ``ctrl+e`` all."""

    SCOPE = TOP = "deployments"
    REGISTRY_ALONE = True
    WIDENS = True

    def __init__(self) -> None:
        super().__init__()
        self.model = ""

    def crumbs(self) -> tuple[str, ...]:
        return ("deployments", *filter(None, [self.model]), "live")

    def set_arguments(self, *arguments: str) -> None:
        self.model = "" if arguments[0] == "all" else arguments[0]
        self.invalidate()

    def check(self, services: Services, actor: Actor) -> None:
        check_model(services, actor, self.model)

    def narrowed(self, query: Query) -> Query:
        return replace(query, where=(("model", self.model),)) if self.model else query

    def page(self, services: Services, actor: Actor, query: Query) -> Page[TargetState]:
        from pilothouse.operations.fleet import health

        return health.states_page(services, actor, query)

    def table(self, services: Services, rows: Sequence[TargetState]) -> Table:
        return deployment_table(rows)

    def row_key(self, record: TargetState) -> str:
        return f"{record.model}/{record.target}"

    def subject_model(self) -> str:
        return self.record.model if self.record else ""

    def refusal(self, action: Action) -> str:
        if action.name in ("history", "fleet", "rollouts"):
            return ""
        if self.record is None:
            return "there is no target yet"
        if action.name == "roll_back":
            if len({state.model for state in self.chosen}) > 1:
                return "the marked rows are of more than one model: a roll-back is one model's"
            bare = [state.target for state in self.chosen if state.deployment is None]
            if bare:
                return f"nothing is live on {bare[0]}"
        return ""

    def do_rollouts(self) -> None:
        self.open_view("rollouts", *filter(None, [self.model]))

    def do_open(self) -> None:
        if self.record:
            self.open_view("monitor", self.record.model, self.record.target)

    async def do_roll_back(self) -> None:
        if self.chosen:
            await ask_roll_back(self, self.chosen[0].model, [state.target for state in self.chosen])

    async def do_roll_back_all(self) -> None:
        if self.record:
            await ask_roll_back(self, self.record.model, None)

    async def do_lift_hold(self) -> None:
        model = self.subject_model()

        def read(services: Services, actor: Actor) -> list[Hold]:
            from pilothouse.operations.promotion import deployments

            return deployments.list_holds(services, actor, model)

        holds = await self.read(read)
        if not holds:
            if holds is not None:
                self.say(f"nothing holds automatic deployment of {model}", "warn")
            return
        question = Ask(
            f"Let automatic deployment of {model} run again?",
            [f"Held by {holds[0].set_by}: {holds[0].reason}"],
            field="reason",
            required=True,
            confirm="lift the hold",
        )

        def operation(services: Services, actor: Actor, reason: str) -> None:
            from pilothouse.operations.promotion import deployments

            deployments.lift_hold(services, actor, model, reason)

        self.confirm(question, operation, f"automatic deployment of {model} is no longer held")

    def do_fleet(self) -> None:
        self.open_view("fleet")

    def do_history(self) -> None:
        self.open_view("history", *filter(None, [self.model]))
