"""The explanation of an alert, and what followed."""

from collections.abc import Sequence

from pilothouse.console.dialogs import Ask
from pilothouse.console.screens.page import PageView
from pilothouse.console.session.actions import Action
from pilothouse.domain.identity.roles import Actor
from pilothouse.domain.monitoring.alert_explanation import AlertExplanation
from pilothouse.domain.records import AlertStatus
from pilothouse.operations.services import Services
from pilothouse.presentation.pages.alert_page import explanation_page


class AlertView(PageView[AlertExplanation]):
    SCOPE = "alert"
    TOP = "alerts"
    RECORD_NAME = "an alert"

    def crumbs(self) -> Sequence[str]:
        if self.data is None:
            return ("alerts", f"why {self.number}")
        alert = self.data.alert
        return ("alerts", f"why {alert.id} {alert.model} on {alert.target}")

    def load(self, services: Services, actor: Actor) -> AlertExplanation:
        from pilothouse.operations.alerts.alert_explanation import explain_alert

        return explain_alert(services, actor, self.record_number())

    def show(self, data: AlertExplanation) -> None:
        self.put_page(explanation_page(data))

    def subject_model(self) -> str:
        return self.data.alert.model if self.data else ""

    def refusal(self, action: Action) -> str:
        if self.data is None:
            return "there is no alert here"
        alert = self.data.alert
        if action.name == "acknowledge" and alert.status is not AlertStatus.OPEN:
            return f"alert {alert.id} is {alert.status}"
        if action.name == "resolve" and alert.status is AlertStatus.RESOLVED:
            return f"alert {alert.id} is resolved"
        return ""

    def do_acknowledge(self) -> None:
        if self.data is None:
            return
        alert = self.data.alert
        question = Ask(
            f"Acknowledge alert {alert.id}?",
            [
                alert.summary,
                "It stays until its monitor is quiet or somebody resolves it. You look after its incident too, unless somebody "
                "does already.",
            ],
            field="note",
            confirm="acknowledge",
        )

        def operation(services: Services, actor: Actor, note: str) -> None:
            from pilothouse.operations.alerts import alerts

            alerts.acknowledge(services, actor, alert.id, note)

        self.confirm(question, operation, f"alert {alert.id} is acknowledged")

    def do_resolve(self) -> None:
        if self.data is None:
            return
        alert = self.data.alert
        question = Ask(
            f"Resolve alert {alert.id}?",
            [alert.summary, "A new one opens if its monitor still finds it significant."],
            field="reason",
            required=True,
            confirm="resolve",
        )

        def operation(services: Services, actor: Actor, reason: str) -> None:
            from pilothouse.operations.alerts import alerts

            alerts.resolve(services, actor, alert.id, reason)

        self.confirm(question, operation, f"alert {alert.id} is resolved")

    def do_incident(self) -> None:
        if self.data and self.data.alert.incident is not None:
            self.open_view("incident", self.data.alert.incident)

    def do_monitor(self) -> None:
        if self.data:
            self.open_view("monitor", self.data.alert.model, self.data.alert.target)
