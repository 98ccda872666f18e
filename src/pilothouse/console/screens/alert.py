"""One alert: why it fired, and what followed."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pilothouse.console.screens import alert_actions
from pilothouse.console.screens.page import PageView
from pilothouse.domain.records import Alert
from pilothouse.domain.roles import Actor
from pilothouse.presentation.work_pages import alert_page

if TYPE_CHECKING:
    from pilothouse.console.actions import Action
    from pilothouse.operations.services import Services


@dataclass(frozen=True)
class Shown:
    """The alert, and what it has led to."""

    alert: Alert
    retraining: str


class AlertView(PageView[Shown]):
    """One text to read."""

    SCOPE = "alert"
    TOP = "alerts"
    THING = "an alert"

    def crumbs(self) -> Sequence[str]:
        """alerts › 4 flight-delay on jfk."""
        if self.data is None:
            return ("alerts", self.number)
        alert = self.data.alert
        return ("alerts", f"{alert.id} {alert.model} on {alert.target}")

    def load(self, services: "Services", actor: Actor) -> Shown:
        """The alert, and what came of it."""
        from pilothouse.operations import alerts, retraining

        alert = alerts.get_alert(services, actor, self.asked())
        return Shown(alert, retraining.what_followed(services, actor, alert))

    def show(self, data: Shown) -> None:
        """Why it fired."""
        self.put_page(alert_page(data.alert, data.retraining))

    def subject_model(self) -> str:
        """The alert's model."""
        return self.data.alert.model if self.data else ""

    def refusal(self, action: "Action") -> str:
        """The state of the alert decides."""
        alert = self.data.alert if self.data else None
        return alert_actions.refusal(action.name, alert) if action.scope == self.SCOPE else ""

    def do_acknowledge(self) -> None:
        """Somebody is on it."""
        if self.data:
            alert_actions.acknowledge(self, self.data.alert)

    def do_resolve(self) -> None:
        """Close it."""
        if self.data:
            alert_actions.resolve(self, self.data.alert)

    def do_monitor(self) -> None:
        """Watch what it is about."""
        if self.data:
            self.open_view("monitor", self.data.alert.model, self.data.alert.target)
