"""The one point of authorisation, default deny, and the frame of every change: permission, transaction, audit row."""

from collections.abc import Iterator
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
    """What a name holds now: its grants, or viewer where it has none and reading is open."""
    if name == DAEMON.name:
        return DAEMON.grants
    grants = access.grants_of(connection, name)
    if not grants and workspace.setting(connection, OPEN_READING) == "yes":
        return (Grant(Role.VIEWER),)
    return grants


def check(connection: Connection, actor: Actor, permission: Permission, model: str = "") -> None:
    """Raise NotAllowedError unless the actor holds the permission now, for ``model`` or for all.

    Asked of the registry, not of ``actor.grants``: a role that was revoked is gone for sessions that are open.
    """
    if not Actor(actor.name, grants_in_force(connection, actor.name)).allows(permission, model):
        raise NotAllowedError(_refusal(actor, permission, model))


def authorise(
    services: Services, actor: Actor, permission: Permission = Permission.READ, model: str = ""
) -> None:
    """``check`` for operations that only read. Raises NotAllowedError."""
    with services.registry.read() as connection:
        check(connection, actor, permission, model)


@contextmanager
def reading(services: Services, actor: Actor) -> Iterator[Connection]:
    """One consistent state to read, for somebody who may. Raises NotAllowedError."""
    with services.registry.read() as connection:
        check(connection, actor, Permission.READ)
        yield connection


@dataclass
class Change:
    """A change under way. ``at`` is its one recorded time; ``record`` writes its audit row."""

    connection: Connection
    actor: Actor
    at: datetime
    recorded: list[AuditEntry] = field(default_factory=list)

    def record(self, action: str, subject: str, detail: dict[str, Any] | None = None) -> None:
        """Add an audit row in this transaction. ``detail`` is plain JSON data, with old values where there were any."""
        words = dict(detail or {})
        if self.actor.identity:
            words["identity"] = self.actor.identity
        self.recorded.append(
            audit.append(
                self.connection,
                at=self.at,
                actor=self.actor.name,
                action=action,
                subject=subject,
                detail=words,
            )
        )


@contextmanager
def changing(services: Services, actor: Actor, permission: Permission, model: str = "") -> Iterator[Change]:
    """One transaction in which a permitted change and its audit rows are made; nothing of it stays on an error.

    Raises NotAllowedError. A change without an audit row is a mistake in the program and is rolled back.
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


def reason_given(text: str, what: str) -> str:
    """The reason without outer blanks. Raises InvalidInputError where there is none, or it is not text to keep."""
    words = clean_text(text, what)
    if not words:
        raise InvalidInputError(f"{what} needs a reason: say why in a few words")
    return words


def clean_text(text: str, what: str) -> str:
    """Text as it is kept: any characters, shown escaped later. Raises InvalidInputError (too long, not Unicode)."""
    words = text.strip()
    if len(words) > LONGEST_TEXT:
        raise InvalidInputError(
            f"{what}: the text has {len(words)} characters; expected {LONGEST_TEXT} at most"
        )
    try:
        words.encode("utf-8")
    except UnicodeEncodeError:
        raise InvalidInputError(f"{what}: the text is not valid Unicode; type it again") from None
    return words


def _refusal(actor: Actor, permission: Permission, model: str) -> str:
    able = [str(role) for role in Role if role is not Role.DAEMON and permission in PERMISSIONS[role]]
    what = f"{permission} of {model}" if model else str(permission)
    needed = f"it needs the role {' or '.join(able)}" if able else "only the daemon does that"
    return f"{actor.name} may not {what}: {needed}" + ("; an admin can grant it" if able else "")
