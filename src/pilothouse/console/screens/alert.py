"""One alert: why it fired, and what followed."""

from collections.abc import Sequence
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


class AlertView(View[Alert]):
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
        return ("alerts", f"{self.data.id} {self.data.model} on {self.data.target}")

    def load(self, services: "Services", actor: Actor) -> Alert:
        """The alert."""
        from pilothouse.operations import alerts

        if not self.number.isdecimal():
            raise InvalidInputError(f"{self.number!r} is not the number of an alert: :alerts lists them")
        return alerts.get_alert(services, actor, int(self.number))

    def show(self, data: Alert) -> None:
        """Why it fired."""
        self.query_one(Pager).put(alert_page(data))
        self.focus_body()

    def subject_model(self) -> str:
        """The alert's model."""
        return self.data.model if self.data else ""

    def refusal(self, action: "Action") -> str:
        """The state of the alert decides."""
        return alert_actions.refusal(action.name, self.data) if action.scope == self.SCOPE else ""

    def do_acknowledge(self) -> None:
        """Somebody is on it."""
        if self.data:
            alert_actions.acknowledge(self, self.data)

    def do_resolve(self) -> None:
        """Close it."""
        if self.data:
            alert_actions.resolve(self, self.data)

    def do_monitor(self) -> None:
        """Watch what it is about."""
        if self.data:
            self.open_view("monitor", self.data.model, self.data.target)
