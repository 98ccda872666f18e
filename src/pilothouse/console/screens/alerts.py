"""Alerts: open ones first, worst first."""

from typing import TYPE_CHECKING

from pilothouse.console.screens import alert_actions
from pilothouse.console.screens.lists import WINDOW, Listed, TableView, listed
from pilothouse.domain.records import Alert
from pilothouse.domain.roles import Actor
from pilothouse.presentation.work_rows import alert_table

if TYPE_CHECKING:
    from pilothouse.console.actions import Action
    from pilothouse.operations.services import Services


class AlertsView(TableView[Alert]):
    """Enter explains. ``:alerts MODEL`` shows one model's."""

    SCOPE = TOP = "alerts"

    def __init__(self) -> None:
        super().__init__()
        self.model = ""
        self._all = False

    def crumbs(self) -> tuple[str, ...]:
        """alerts › MODEL › unresolved."""
        return ("alerts", *filter(None, [self.model]), "all" if self._all else "unresolved")

    def set_arguments(self, *arguments: str) -> None:
        """``:alerts MODEL``, or ``all``."""
        self.model = "" if arguments[0] == "all" else arguments[0]
        self.ask_anew()

    def load(self, services: "Services", actor: Actor) -> Listed[Alert]:
        """What is not resolved, or everything."""
        from pilothouse.operations import alerts

        found = alerts.list_alerts(
            services, actor, unresolved=not self._all, model=self.model or None, limit=WINDOW
        )
        return listed(found, alert_table(found), lambda a: a.id)

    def subject_model(self) -> str:
        """The alert's model."""
        return self.record.model if self.record else ""

    def refusal(self, action: "Action") -> str:
        """The state of the alert under the cursor decides."""
        if action.scope != self.SCOPE or action.name == "all":
            return ""
        return alert_actions.refusal(action.name, self.record)

    def do_open(self) -> None:
        """Why it fired."""
        self.open_view("alert", self.key)

    def do_acknowledge(self) -> None:
        """Somebody is on it."""
        if self.record:
            alert_actions.acknowledge(self, self.record)

    def do_resolve(self) -> None:
        """Close it."""
        if self.record:
            alert_actions.resolve(self, self.record)

    def do_monitor(self) -> None:
        """Watch what it is about."""
        if self.record:
            self.open_view("monitor", self.record.model, self.record.target)

    def do_all(self) -> None:
        """Unresolved ones, or all."""
        self._all = not self._all
        self.ask_anew()
