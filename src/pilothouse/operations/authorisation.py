"""Authorisation, in this module alone and denying by default; the transaction of a change with its audit rows."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from pilothouse.domain.audit.entries import AuditEntry
from pilothouse.domain.errors import (
    AccessEndedError,
    ConflictError,
    InvalidInputError,
    NotAllowedError,
    UnavailableError,
)
from pilothouse.domain.identity.identity import IdentityKind
from pilothouse.domain.identity.persons import PersonName, folded
from pilothouse.domain.identity.roles import DAEMON, PERMISSIONS, Actor, Grant, Permission, Role
from pilothouse.domain.promotion.proposals import Second
from pilothouse.domain.registered import Target
from pilothouse.operations.services import Services
from pilothouse.sqlite import Connection
from pilothouse.store import workspace
from pilothouse.store.governance import access, persons, users
from pilothouse.store.log import audit
from pilothouse.store.models import targets as target_store

OPEN_READING = "open_reading"
"""The setting: ``yes`` where somebody who holds no role may read."""

DUAL_CONTROL = "dual_control"
"""The setting: ``yes`` where changes of access and rules need two people."""
TWO_PEOPLE = frozenset({Permission.GRANT, Permission.SET_POLICY, Permission.LOOSEN, Permission.ERASE})
"""Permissions of which two people make use together under dual control."""
STEPPED_BACK = "clock.stepped_back"
"""Action of the entry that says that the clock was behind the log, once for each step."""
LONGEST_TEXT = 4_000


def grants_in_force(connection: Connection, name: str) -> tuple[Grant, ...]:
    """Grants of a name now; the role viewer too where reading is open and none of them lets read, or denies it."""
    if name == DAEMON.name:
        return DAEMON.grants
    grants = access.grants_of(connection, name)
    reads = Actor(name, grants).allows(Permission.READ)
    if not reads and workspace.setting(connection, OPEN_READING) == "yes":
        return (*grants, Grant(Role.VIEWER))
    return grants


def as_now(connection: Connection, actor: Actor) -> Actor:
    """The actor with the grants in force now, and all names that are theirs."""
    names = persons.persons(connection).names(actor.name, actor.uid)
    return replace(actor, grants=grants_in_force(connection, actor.name), also=names)


Targets = Iterable[str] | Callable[[Connection], Iterable[str]] | None
"""Names of the targets that an operation is about, or what finds them. None: all targets of its model, else everything."""


def permits(
    connection: Connection, actor: Actor, permission: Permission, model: str = "", targets: Targets = None
) -> bool:
    """True where the actor's grants, as given, allow it for the model and the targets."""
    if not any(grant.targets for grant in actor.grants):  # then it does not matter which targets
        return actor.allows(permission, model, ())
    return actor.allows(permission, model, places(connection, model, targets))


def places(connection: Connection, model: str, targets: Targets = None) -> list[Target] | None:
    """Targets that an operation is about; None for everything. One that is not on record has a name and nothing else."""
    names = targets(connection) if callable(targets) else targets
    if names is None:
        if not model:
            return None
        names = target_store.targets_of(connection, model)
    known = {target.name: target for target in target_store.all_targets(connection)}
    return [known.get(name) or Target(name, "", "", "") for name in dict.fromkeys(names)]


def check(
    connection: Connection,
    actor: Actor,
    permission: Permission,
    model: str = "",
    targets: Targets = None,
    *,
    act: str = "",
) -> None:
    """Raise NotAllowedError unless the actor holds the permission now, for the model and the targets that are named.

    The registry decides, not ``actor.grants``: a revoked role is gone for open sessions too. AccessEndedError, one of these,
    where they were let in and are no more. ``act``: what is about to be done, in the words of the refusal.
    """
    check_standing(connection, actor)
    held = replace(actor, grants=grants_in_force(connection, actor.name))
    if not permits(connection, held, permission, model, targets):
        raise NotAllowedError(_refusal(held, permission, model, act))


def check_standing(connection: Connection, actor: Actor) -> None:
    """Raise AccessEndedError where the actor is disabled, or the key is revoked that they came with."""
    ended = users.ending(connection, actor.name, actor.identity)
    if ended:
        raise AccessEndedError(ended)


def check_time(services: Services, actor: Actor) -> None:
    """Raise AccessEndedError where the time is over of the key or the certificate that the actor came with."""
    if ended := actor.ending(services.now()):
        raise AccessEndedError(ended)


def check_second(
    services: Services,
    connection: Connection,
    actor: Actor,
    permission: Permission,
    model: str = "",
    targets: Targets = None,
    *,
    act: str = "",
) -> None:
    """Raise NotAllowedError where dual control is on, the change is one of access or rules, and no other person who may do it
    has proposed it."""
    if permission not in TWO_PEOPLE or workspace.setting(connection, DUAL_CONTROL) != "yes":
        return
    second = services.second
    if second is None:
        raise NotAllowedError(
            f"{actor.name} may not {act or permission} alone: dual control is on. Propose it with pilothouse propose "
            "--reason … -- and the command; another admin accepts it"
        )
    known = persons.persons(connection)
    other = Actor(second.name, grants_in_force(connection, second.name), also=known.names(second.name))
    if as_now(connection, actor).has_name(second.name):
        raise NotAllowedError(f"{actor.name} and {second.name} are one person: dual control asks for two")
    check(connection, other, permission, model, targets)


def check_admin_left(connection: Connection, name: str) -> None:
    """Raise ConflictError where nobody is left who may grant roles, now that ``name`` may not."""
    held = access.all_grants(connection).items()
    able = [Actor(one, grants) for one, grants in held if Actor(one, grants).allows(Permission.GRANT)]
    if all(users.ending(connection, one.name, None) for one in able):
        raise ConflictError(f"{name} is the last admin: make somebody else admin first")


def authorise(
    services: Services,
    actor: Actor,
    permission: Permission = Permission.READ,
    model: str = "",
    targets: Targets = None,
) -> None:
    """``check`` for operations that only read, and for those that change telemetry alone, which a read-only console may not.
    Raises NotAllowedError."""
    if permission is not Permission.READ:
        _refuse_read_only(services, permission)
    check_time(services, actor)
    with services.registry.read() as connection:
        check(connection, actor, permission, model, targets)


@contextmanager
def reading(services: Services, actor: Actor) -> Iterator[Connection]:
    """A read transaction on the registry for an actor who may read. Raises NotAllowedError."""
    check_time(services, actor)
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
    behind: timedelta = timedelta(0)
    """How far the clock is behind the log, where nobody has said so yet."""
    second: Second | None = None
    """The other person, where dual control asked for one."""

    def record(self, action: str, subject: str, detail: dict[str, Any] | None = None) -> None:
        """Add an audit row in this transaction. ``detail`` is plain JSON data, with old values where there were any."""
        self.record_all([(action, subject, detail or {})])

    def record_all(self, changes: Sequence[tuple[str, str, dict[str, Any]]]) -> None:
        """Add an audit row for each (action, subject, detail): hundreds of targets change in one step."""
        if self.behind and changes:
            stepped = (STEPPED_BACK, "clock", {"seconds": self.behind.total_seconds()})
            changes, self.behind = [stepped, *changes], timedelta(0)
        known = self.actor.identity
        # the daemon's name is nobody else's: it says enough
        identity = {"identity": known.plain} if known and known.kind is not IdentityKind.DAEMON else {}
        second = {"second": self.second.name, "proposal": self.second.proposal} if self.second else {}
        described = [
            (action, subject, {**detail, **identity, **second}) for action, subject, detail in changes
        ]
        audit.publish(self.connection)
        newest = audit.newest_recorded(self.connection)  # of a change inside of this one it may be later
        at = self.at if newest is None else max(self.at, newest)
        self.recorded += audit.append_all(self.connection, at=at, actor=self.actor.name, changes=described)


def change_in(services: Services, connection: Connection, actor: Actor) -> Change:
    """Change in the caller's transaction, of which no permission is asked. Its time is the later of the clock and the log.

    Raises UnavailableError where the clock is further behind the log than a stepped clock is.
    """
    now = services.now()
    newest = audit.newest_recorded(connection)
    if newest is None or now >= newest:
        return Change(connection, actor, now, second=services.second)
    if newest - now > audit.TOLERANCE:
        raise UnavailableError(clock_is_behind(now, newest))
    said = audit.newest_of(connection, STEPPED_BACK)
    is_said = said is not None and said.recorded_at == newest
    behind = timedelta(0) if is_said else newest - now
    return Change(connection, actor, newest, behind=behind, second=services.second)


def clock_is_behind(now: datetime, newest: datetime) -> str:
    """What is said where the clock is further behind the log than it may be."""
    return (
        f"the clock shows {now:%Y-%m-%d %H:%M} UTC, the newest entry of the audit log is of {newest:%Y-%m-%d %H:%M}, and time "
        "does not run back: set the clock right (NTP); if it is the log that is wrong, restore a backup from before"
    )


def present(services: Services, connection: Connection) -> datetime:
    """The later of the clock and the log, by which everything expires."""
    newest = audit.newest_recorded(connection)
    return services.now() if newest is None else max(services.now(), newest)


@contextmanager
def changing(
    services: Services,
    actor: Actor,
    permission: Permission,
    model: str = "",
    targets: Targets = None,
    *,
    even_read_only: bool = False,
    alone: bool = False,
    act: str = "",
) -> Iterator[Change]:
    """A transaction for a permitted change and its audit rows, rolled back on an error. ``model`` and ``targets`` are what it
    is about; ``even_read_only``: also from a console that was opened read-only; ``alone``: by one person under dual control
    too; ``act``: what a refusal calls it, where the permission is for more.

    Raises NotAllowedError, or UnavailableError (the clock is behind the log). A change without an audit row is a fault of the
    program and is rolled back too.
    """
    if not even_read_only:
        _refuse_read_only(services, permission)
    check_time(services, actor)
    if not _is_known(services, actor):
        # in a transaction of its own: what a decision rests on is compared with its digests before its own writes
        with services.registry.transaction() as connection:
            check(connection, actor, permission, model, targets, act=act)
            _note_account(change_in(services, connection, actor))
    with services.registry.transaction() as connection:
        check(connection, actor, permission, model, targets, act=act)
        if not alone:
            check_second(services, connection, actor, permission, model, targets, act=act)
        change = change_in(services, connection, actor)
        before = connection.total_changes
        yield change
        if connection.total_changes != before and not change.recorded:
            raise RuntimeError(f"{actor.name} changed the registry ({permission}) without an audit row")


def _refuse_read_only(services: Services, permission: Permission) -> None:
    if services.read_only:
        wanted = "a change" if permission is Permission.READ else str(permission)
        raise NotAllowedError(f"this console is read-only: {wanted} is refused, whatever the role")


def _is_known(services: Services, actor: Actor) -> bool:
    """True where it is on record whose account acts, or no account does."""
    if actor.uid is None:
        return True
    with services.registry.read() as connection:
        return persons.persons(connection).knows(actor.name, actor.uid)


def _note_account(change: Change) -> None:
    """Record whose account acts, the first time: a renamed account stays the same person."""
    name, uid = change.actor.name, change.actor.uid
    known = persons.persons(change.connection)
    if uid is not None and not known.knows(name, uid):
        persons.add(change.connection, PersonName(name, uid, None), by=name, at=change.at)
        others = [other for other in known.names(name, uid) if other != folded(name)]
        change.record("person.known", name, {"uid": uid, **({"same_as": others} if others else {})})
        change.recorded.clear()


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


def roles_needed(permission: Permission) -> str:
    """``it needs the role data-scientist or admin``."""
    roles = [str(role) for role in Role if role is not Role.DAEMON and permission in PERMISSIONS[role]]
    return f"it needs the role {' or '.join(roles)}" if roles else "only the daemon does that"


def _refusal(actor: Actor, permission: Permission, model: str, act: str) -> str:
    done = act or permission
    if any(permission in grant.permissions for grant in actor.grants):
        explained = f"pilothouse can {actor.name} {permission.word} {model}".strip()
        return (
            f"{actor.name} may not {done}{f' of {model}' if model else ''} here: the role is held for less, "
            f"or is denied; {explained} says which"
        )
    needed, action = roles_needed(permission), f"{done} of {model}" if model else str(done)
    can_grant = any(role is not Role.DAEMON and permission in PERMISSIONS[role] for role in Role)
    return f"{actor.name} may not {action}: {needed}" + ("; an admin can grant it" if can_grant else "")
