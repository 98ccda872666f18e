"""Authorisation, in this module alone and denying by default; the transaction of a change with its audit rows."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from pilothouse.domain.errors import InvalidInputError, NotAllowedError
from pilothouse.domain.records import AuditEntry
from pilothouse.domain.roles import DAEMON, PERMISSIONS, Actor, Grant, Permission, Role
from pilothouse.operations.services import Services
from pilothouse.sqlite import Connection
from pilothouse.store import access, audit, workspace

OPEN_READING = "open_reading"
"""The setting: ``yes`` where somebody who holds no role may read."""

LONGEST_TEXT = 4_000


def grants_in_force(connection: Connection, name: str) -> tuple[Grant, ...]:
    """Grants of a name now; the role viewer where it has none and reading is open."""
    if name == DAEMON.name:
        return DAEMON.grants
    grants = access.grants_of(connection, name)
    if not grants and workspace.setting(connection, OPEN_READING) == "yes":
        return (Grant(Role.VIEWER),)
    return grants


def as_now(connection: Connection, actor: Actor) -> Actor:
    """The actor with the grants in force now."""
    return Actor(actor.name, grants_in_force(connection, actor.name))


def check(connection: Connection, actor: Actor, permission: Permission, model: str = "") -> None:
    """Raise NotAllowedError unless the actor holds the permission now, for ``model`` or for all.

    The registry decides, not ``actor.grants``: a revoked role is gone for open sessions too.
    """
    if not as_now(connection, actor).allows(permission, model):
        raise NotAllowedError(_refusal(actor, permission, model))


def authorise(
    services: Services, actor: Actor, permission: Permission = Permission.READ, model: str = ""
) -> None:
    """``check`` for operations that only read. Raises NotAllowedError."""
    with services.registry.read() as connection:
        check(connection, actor, permission, model)


@contextmanager
def reading(services: Services, actor: Actor) -> Iterator[Connection]:
    """A read transaction on the registry for an actor who may read. Raises NotAllowedError."""
    with services.registry.read() as connection:
        check(connection, actor, Permission.READ)
        yield connection


@dataclass
class Change:
    """Change in its transaction. ``at`` is the recorded time of everything in it; ``record`` writes an audit row."""

    connection: Connection
    actor: Actor
    at: datetime
    recorded: list[AuditEntry] = field(default_factory=list)

    def record(self, action: str, subject: str, detail: dict[str, Any] | None = None) -> None:
        """Add an audit row in this transaction. ``detail`` is plain JSON data, with old values where there were any."""
        self.record_all([(action, subject, detail or {})])

    def record_all(self, changes: Sequence[tuple[str, str, dict[str, Any]]]) -> None:
        """Add an audit row for each (action, subject, detail): hundreds of targets change in one step."""
        identity = {"identity": self.actor.identity} if self.actor.identity else {}
        described = [(action, subject, {**detail, **identity}) for action, subject, detail in changes]
        self.recorded += audit.append_all(
            self.connection, at=self.at, actor=self.actor.name, changes=described
        )


@contextmanager
def changing(services: Services, actor: Actor, permission: Permission, model: str = "") -> Iterator[Change]:
    """A transaction for a permitted change and its audit rows, rolled back on an error.

    Raises NotAllowedError. A change without an audit row is a fault of the program and is rolled back too.
    """
    if services.read_only and permission is not Permission.READ:
        raise NotAllowedError(f"this console is read-only: {permission} is refused, whatever the role")
    with services.registry.transaction() as connection:
        check(connection, actor, permission, model)
        before = connection.total_changes
        change = Change(connection, actor, services.now())
        yield change
        if connection.total_changes != before and not change.recorded:
            raise RuntimeError(f"{actor.name} changed the registry ({permission}) without an audit row")


def reason_given(text: str, subject: str) -> str:
    """The reason without outer blanks. Raises InvalidInputError where it is empty, too long or not Unicode."""
    reason = clean_text(text, subject)
    if not reason:
        raise InvalidInputError(f"{subject} needs a reason: say why in a few words")
    return reason


def clean_text(text: str, subject: str) -> str:
    """Text as it is stored, without outer blanks; screens escape it. Raises InvalidInputError (too long, not Unicode)."""
    text = text.strip()
    if len(text) > LONGEST_TEXT:
        raise InvalidInputError(
            f"{subject}: the text has {len(text)} characters; expected {LONGEST_TEXT} at most"
        )
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise InvalidInputError(f"{subject}: the text is not valid Unicode; type it again") from None
    return text


def _refusal(actor: Actor, permission: Permission, model: str) -> str:
    roles = [str(role) for role in Role if role is not Role.DAEMON and permission in PERMISSIONS[role]]
    action = f"{permission} of {model}" if model else str(permission)
    needed = f"it needs the role {' or '.join(roles)}" if roles else "only the daemon does that"
    return f"{actor.name} may not {action}: {needed}" + ("; an admin can grant it" if roles else "")
