"""``alerts.toml``: read, compared with what is in force, and put in force."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from pilothouse.domain.errors import ModelFileError
from pilothouse.domain.identity.roles import Permission
from pilothouse.domain.outbox.settings import AlertSettings, Receiver, ReceiverKind
from pilothouse.domain.outbox.settings_file import ALERTS_FILE, load_settings
from pilothouse.operations.authorisation import Change, check
from pilothouse.operations.services import Services
from pilothouse.operations.workspace_texts import read_settings
from pilothouse.sending.addresses import refused_literal
from pilothouse.sending.secret_values import MissingSecretError, secret
from pilothouse.sending.webhook import key_of
from pilothouse.sqlite import Connection
from pilothouse.store.deployed import alerts
from pilothouse.store.outbox import deliveries, outbox_events, settings


@dataclass(frozen=True, slots=True)
class AlertChanges:
    """Settings to put in force, None for none; ``action`` as of the targets' file. Each difference needs an
    admin: the file says which files and variables the daemon reads, and where facts go."""

    put: AlertSettings | None
    action: str
    differences: tuple[str, ...] = ()


def read_alerts_file(services: Services, problems: list[str]) -> AlertSettings | None:
    """Settings of the file; None without one, or where it has faults, which are added to ``problems``."""
    return read_settings(services, ALERTS_FILE, load, problems)


def load(text: str, file: str = ALERTS_FILE) -> AlertSettings:
    """Settings of a text; an address that will not be sent to, and a secret that can be read here and is none, are faults at
    once. Raises ModelFileError."""
    found = load_settings(text, file)
    faults = [
        f"{file}: receiver[{i}].{fault}" for i, one in enumerate(found.receiver) for fault in _faults(one)
    ]
    if faults:
        raise ModelFileError(faults)
    return found


def _faults(one: Receiver) -> Iterator[str]:
    if one.url and (refused := refused_literal(urlsplit(one.url).hostname or "", one.allow)):
        yield f"url: {refused}"
    if one.kind is not ReceiverKind.WEBHOOK:
        return
    key = "secret_file" if one.secret_file is not None else "secret_env"
    try:
        key_of(secret(one.secret_file, one.secret_env, "its secret") or "")
    except MissingSecretError:
        return  # the daemon's own file or variable: it is looked at when it sends
    except ValueError as error:
        yield f"{key}: its content {error}; expected the secret as the receiver shows it"


def planned_alerts(connection: Connection, described: AlertSettings | None) -> AlertChanges:
    """What the file changes of the settings in force; without a file they stay as they are."""
    stored = settings.in_force(connection)
    if described is None:
        return AlertChanges(None, "missing: the receivers in force stay" if stored else "")
    if stored is not None and stored.digest == described.digest:
        return AlertChanges(None, "unchanged")
    before = stored.settings if stored else AlertSettings()
    differences = tuple(_differences(before.to_plain(), described.to_plain()))
    return AlertChanges(described, "update" if stored else "create", differences)


def put_alerts(change: Change, planned: AlertChanges, git: Mapping[str, Any]) -> None:
    """Put the settings of the file in force; those before stay on record. With the first ones the alerts that are open are
    told. ``git``: the repository that the file lies in."""
    if planned.put is None:
        return
    check(change.connection, change.actor, Permission.APPLY)
    check(change.connection, change.actor, Permission.LOOSEN)
    is_first = settings.in_force(change.connection) is None
    settings.put(change.connection, planned.put, by=change.actor.name, at=change.at)
    deliveries.look_again(change.connection, change.at)
    detail: dict[str, Any] = {"differences": list(planned.differences), "digest": planned.put.digest}
    change.record("alerts.described", ALERTS_FILE, detail | ({"git": dict(git)} if git else {}))
    if is_first:
        going_on = alerts.listed(change.connection, unresolved=True)
        outbox_events.note_open_alerts(change.connection, [alert.id for alert in going_on])


def _differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    for key in ("receiver", "route", "quiet"):
        before = {one["name"]: one for one in old[key]}
        after = {one["name"]: one for one in new[key]}
        for name in before.keys() - after.keys():
            yield f"{key} {name}: gone"
        for name, one in after.items():
            if name not in before:
                yield f"{key} {name}: new"
            elif changed := [field for field in one if one[field] != before[name].get(field)]:
                yield f"{key} {name}: {', '.join(changed)}"
        if [name for name in before if name in after] != [name for name in after if name in before]:
            yield f"{key}: in another order"
