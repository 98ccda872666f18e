"""The hub's door for other machines on record: whether it listens, and what each target has sent there."""

from collections.abc import Iterable, Mapping

from pilothouse.domain.errors import UnavailableError
from pilothouse.domain.identity.roles import DAEMON, Permission
from pilothouse.domain.models.hub_limits import Usage, day_of
from pilothouse.operations.authorisation import change_in, changing
from pilothouse.operations.services import Services
from pilothouse.store.models import hub_usage
from pilothouse.store.models.hub_usage import DoorState

FAILED, OPENED, CLOSED = "hub.door_failed", "hub.door_opened", "hub.door_closed"
REFUSED = "hub.refused"
_NAMED = 3


def note_door(services: Services, listen: str, fault: str = "") -> None:
    """Have on record that the hub listens there, or why it does not; empty: it was asked to listen nowhere. Nothing is
    written where that is on record already."""
    with services.registry.read() as connection:
        before = hub_usage.door_state(connection)
    if ((before.listen, before.fault) if before is not None else ("", "")) == (listen, fault):
        return
    with changing(services, DAEMON, Permission.RUN_DAEMON) as change:
        after = DoorState(listen, fault, change.at) if listen else None
        hub_usage.put_door_state(change.connection, after)
        was = before.fault if before is not None else ""
        if fault:
            change.record(FAILED, "hub", {"listen": listen, "error": fault})
        elif listen:
            change.record(OPENED, "hub", {"listen": listen, **({"was": was} if was else {})})
        else:
            change.record(CLOSED, "hub", {"listen": before.listen if before is not None else ""})


def known_usage(services: Services) -> dict[str, Usage]:
    """What each target has sent on its last day, as it is on record."""
    with services.registry.read() as connection:
        return hub_usage.usages(connection)


def note_usage(services: Services, found: Iterable[Usage], told: Mapping[str, Usage]) -> None:
    """Put on record what targets have sent, and write ``told`` into the audit log: those that met a bound for the first time
    on their day."""
    with services.registry.transaction() as connection:
        hub_usage.put_usages(connection, found)
        if told:
            rows = [(REFUSED, name, {"target": name, "error": usage.why}) for name, usage in told.items()]
            change_in(services, connection, DAEMON).record_all(rows)


def examine(services: Services) -> str:
    """What the doctor says of the door. Raises UnavailableError where it does not listen, or has refused somebody today."""
    with services.registry.read() as connection:
        state, usages = hub_usage.door_state(connection), hub_usage.usages(connection)
    if state is None:
        return "no other machine comes here: targets.toml names no [hub]"
    if state.fault:
        raise UnavailableError(state.text)
    today = day_of(services.now())
    refused = [usage for usage in usages.values() if usage.day == today and usage.refused]
    if refused:
        named = "; ".join(f"{usage.target}: {usage.text}" for usage in refused[:_NAMED])
        more = f"; and {len(refused) - _NAMED} more" if len(refused) > _NAMED else ""
        raise UnavailableError(
            f"{named}{more}. Look what they send, or raise [hub.limits] or the target's limits in targets.toml"
        )
    return f"listens on {state.listen}; nobody was refused today"
