"""Targets × models: which version is live, which process answers, and rolling back."""

from dataclasses import dataclass

from textual.app import ComposeResult

from pilothouse.console.dialogs import Ask
from pilothouse.console.screens.base import View
from pilothouse.console.screens.lists import check_model
from pilothouse.console.session.actions import Action
from pilothouse.console.widgets.grid import Grid
from pilothouse.domain.monitoring import TargetState
from pilothouse.domain.records import Hold, RollBackStep
from pilothouse.domain.roles import Actor
from pilothouse.operations.services import Services
from pilothouse.presentation.tables.registry_rows import deployment_table


@dataclass(frozen=True)
class DeploymentsData:
    """The live versions, the possible roll-backs, and the holds."""

    states: tuple[TargetState, ...]
    steps: tuple[RollBackStep, ...]
    holds: tuple[Hold, ...]


class DeploymentsView(View[DeploymentsData]):
    """``ctrl+l`` rolls back one target or those marked, ``ctrl+e`` all."""

    SCOPE = TOP = "deployments"
    REGISTRY_ALONE = True
    WIDENS = True

    def __init__(self) -> None:
        super().__init__()
        self.model = ""

    def body(self) -> ComposeResult:
        yield Grid(id="grid")

    def crumbs(self) -> tuple[str, ...]:
        return ("deployments", *filter(None, [self.model]), "live")

    def set_arguments(self, *arguments: str) -> None:
        self.model = "" if arguments[0] == "all" else arguments[0]
        self.invalidate()

    def load(self, services: Services, actor: Actor) -> DeploymentsData:
        from pilothouse.operations.fleet import health
        from pilothouse.operations.promotion import deployments

        model = self.model or None
        check_model(services, actor, self.model)
        return DeploymentsData(
            tuple(health.target_states(services, actor, model)),
            tuple(deployments.roll_back_steps(services, actor, model)),
            tuple(deployments.list_holds(services, actor, model)),
        )

    def show(self, data: DeploymentsData) -> None:
        self.query_one("#grid", Grid).put(deployment_table(data.states))
        self.focus_body()

    @property
    def selected(self) -> TargetState | None:
        key = self.query_one("#grid", Grid).key
        if self.data is None:
            return None
        return next((s for s in self.data.states if f"{s.model}/{s.target}" == key), None)

    def subject_model(self) -> str:
        return self.selected.model if self.selected else ""

    def refusal(self, action: Action) -> str:
        if action.name in ("history", "fleet"):
            return ""
        state = self.selected
        if state is None or self.data is None:
            return "there is no target yet"
        if action.name == "roll_back":
            return self._roll_back_refusal()
        if action.name == "roll_back_all" and not self._plan(state.model, None):
            return f"{state.model} has no version before on any target"
        if action.name == "lift_hold" and not any(hold.model == state.model for hold in self.data.holds):
            return f"nothing holds automatic deployment of {state.model}"
        return ""

    def do_open(self) -> None:
        if self.selected:
            self.open_view("monitor", self.selected.model, self.selected.target)

    @property
    def chosen(self) -> list[TargetState]:
        """The deployments that are marked, else the one under the cursor."""
        marked = self.query_one("#grid", Grid).marked
        states = self.data.states if self.data else ()
        chosen = [s for s in states if f"{s.model}/{s.target}" in marked]
        return chosen or ([self.selected] if self.selected else [])

    def _roll_back_refusal(self) -> str:
        chosen = self.chosen
        if len({state.model for state in chosen}) > 1:
            return "the marked rows are of more than one model: a roll-back is one model's"
        for state in chosen:
            if not self._plan(state.model, [state.target]):
                return f"{state.model} has no version before this one on {state.target}"
        return ""

    def do_roll_back(self) -> None:
        if self.chosen:
            self._roll_back(self.chosen[0].model, [state.target for state in self.chosen])

    def do_roll_back_all(self) -> None:
        if self.selected:
            self._roll_back(self.selected.model, None)

    def _plan(self, model: str, targets: list[str] | None) -> list[RollBackStep]:
        assert self.data is not None
        return [
            step
            for step in self.data.steps
            if step.model == model and (targets is None or step.target in targets)
        ]

    def _roll_back(self, model: str, targets: list[str] | None) -> None:
        plan = self._plan(model, targets)
        question = Ask(
            f"Roll back {model}?",
            [
                *(f"{step.target}: version {step.now} → version {step.then}, at once" for step in plan),
                "",
                f"Automatic deployment of {model} is held until somebody lifts it (u). No approval is needed.",
            ],
            field="reason",
            required=True,
            confirm="roll back",
            tone="bad",
        )

        def operation(services: Services, actor: Actor, reason: str) -> str:
            from pilothouse.operations.promotion import deployments

            restored = deployments.roll_back(services, actor, model, targets, reason)
            return f"{model} is back: " + ", ".join(f"{d.target} at version {d.version}" for d in restored)

        self.confirm(question, operation)

    def do_lift_hold(self) -> None:
        state = self.selected
        if state is None or self.data is None:
            return
        hold = next(hold for hold in self.data.holds if hold.model == state.model)
        question = Ask(
            f"Let automatic deployment of {state.model} run again?",
            [f"Held by {hold.set_by}: {hold.reason}"],
            field="reason",
            required=True,
            confirm="lift the hold",
        )

        def operation(services: Services, actor: Actor, reason: str) -> None:
            from pilothouse.operations.promotion import deployments

            deployments.lift_hold(services, actor, state.model, reason)

        self.confirm(question, operation, f"automatic deployment of {state.model} is no longer held")

    def do_fleet(self) -> None:
        self.open_view("fleet")

    def do_history(self) -> None:
        self.open_view("history", *filter(None, [self.model]))
