"""One alert: why it fired, and what followed."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from textual.app import ComposeResult

from pilothouse.console.screens import alert_actions
from pilothouse.console.screens.base import View
from pilothouse.console.widgets.pager import Pager
from pilothouse.domain.errors import InvalidInputError
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


class AlertView(View[Shown]):
    """One text to read."""

    SCOPE = "alert"
    TOP = "alerts"

    def __init__(self, number: str) -> None:
        super().__init__()
        self.number = number

    def body(self) -> ComposeResult:
        """The explanation."""
        yield Pager(id="page")

    def crumbs(self) -> Sequence[str]:
        """alerts › 4 flight-delay on jfk."""
        if self.data is None:
            return ("alerts", self.number)
        alert = self.data.alert
        return ("alerts", f"{alert.id} {alert.model} on {alert.target}")

    def load(self, services: "Services", actor: Actor) -> Shown:
        """The alert, and what came of it."""
        from pilothouse.operations import alerts, retraining

        if not self.number.isdecimal():
            raise InvalidInputError(f"{self.number!r} is not the number of an alert: :alerts lists them")
        alert = alerts.get_alert(services, actor, int(self.number))
        return Shown(alert, retraining.what_followed(services, actor, alert))

    def show(self, data: Shown) -> None:
        """Why it fired."""
        self.query_one(Pager).put(alert_page(data.alert, data.retraining))
        self.focus_body()

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
