"""Why an alert fired, and what followed."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pilothouse.console.screens import alert_actions
from pilothouse.console.screens.page import PageView
from pilothouse.domain.alert_explanation import AlertExplanation
from pilothouse.domain.roles import Actor
from pilothouse.presentation.pages.alert_page import explanation_page

if TYPE_CHECKING:
    from pilothouse.console.session.actions import Action
    from pilothouse.operations.services import Services


class AlertView(PageView[AlertExplanation]):
    """One text to read."""

    SCOPE = "alert"
    TOP = "alerts"
    THING = "an alert"

    def crumbs(self) -> Sequence[str]:
        """alerts › why 4 flight-delay on jfk."""
        if self.data is None:
            return ("alerts", f"why {self.number}")
        alert = self.data.alert
        return ("alerts", f"why {alert.id} {alert.model} on {alert.target}")

    def load(self, services: "Services", actor: Actor) -> AlertExplanation:
        """Everything that there is to say about the alert."""
        from pilothouse.operations.alerts.alert_explanation import explain_alert

        return explain_alert(services, actor, self.asked())

    def show(self, data: AlertExplanation) -> None:
        """Why it fired."""
        self.put_page(explanation_page(data))

    def subject_model(self) -> str:
        """The alert's model."""
        return self.data.alert.model if self.data else ""

    def refusal(self, action: "Action") -> str:
        """The state of the alert decides."""
        alert = self.data.alert if self.data else None
        return alert_actions.refusal(action.name, alert)

    def do_acknowledge(self) -> None:
        """Somebody is on it."""
        if self.data:
            alert_actions.acknowledge(self, self.data.alert)

    def do_resolve(self) -> None:
        """Close it."""
        if self.data:
            alert_actions.resolve(self, self.data.alert)

    def do_incident(self) -> None:
        """What it is a part of."""
        if self.data and self.data.alert.incident is not None:
            self.open_view("incident", self.data.alert.incident)

    def do_monitor(self) -> None:
        """Watch what it is about."""
        if self.data:
            self.open_view("monitor", self.data.alert.model, self.data.alert.target)
