"""What an Alertmanager is told: alerts as they are when they are sent, whatever the message said when it was made."""

from collections.abc import Mapping
from typing import Any

from pilothouse.domain.outbox.happenings import What, of_alert
from pilothouse.domain.outbox.settings import Receiver
from pilothouse.domain.records import Alert, AlertStatus
from pilothouse.operations.outbox import messages
from pilothouse.operations.services import Services
from pilothouse.sqlite import Connection
from pilothouse.store.deployed import alerts
from pilothouse.store.models import targets
from pilothouse.store.outbox import deliveries


def alerts_of(
    services: Services, connection: Connection, receiver: Receiver, message: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """What a message is about, as it is now; an alert that is over is left out where the same finding is open again."""
    now = services.now()
    found: dict[int, Alert] = {}
    told = []
    for line in message["lines"]:
        number = line["alert"]
        if number is None:
            told.append(messages.happening_now(line, now))
        elif number not in found:
            alert = alerts.find(connection, number)
            if alert is not None and not _is_open_again(connection, alert):
                found[number] = alert
    return [*told, *_as_now(services, connection, receiver, list(found.values()))]


def burning(services: Services, connection: Connection, receiver: Receiver) -> list[dict[str, Any]]:
    """Alerts that are open and of which the receiver was told."""
    numbers = dict.fromkeys(
        one.alert_id for one in deliveries.told(connection) if one.receiver == receiver.name
    )
    found = [alert for number in numbers if (alert := alerts.find(connection, number)) is not None]
    return _as_now(services, connection, receiver, found)


def _as_now(
    services: Services, connection: Connection, receiver: Receiver, found: list[Alert]
) -> list[dict[str, Any]]:
    known = {target.name: target for target in targets.all_targets(connection)} if found else {}
    labels = {
        alert.id: of_alert(alert, What.STILL_OPEN, alert.recorded_at, known.get(alert.target)).labels
        for alert in found
    }
    return list(messages.alerts_now(found, labels, services.now(), receiver.resend))


def _is_open_again(connection: Connection, alert: Alert) -> bool:
    if alert.status is not AlertStatus.RESOLVED:
        return False
    going_on = alerts.listed(connection, unresolved=True, model=alert.model, target=alert.target)
    same = (alert.version, alert.kind, alert.subject)
    return any((one.version, one.kind, one.subject) == same for one in going_on)
