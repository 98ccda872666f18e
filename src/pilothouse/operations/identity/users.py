"""Users and the keys that are bound to their names: added, disabled, enabled again, revoked, listed."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from pilothouse.domain.errors import ConflictError, InvalidInputError, NotFoundError
from pilothouse.domain.identity.persons import check_name, folded
from pilothouse.domain.identity.roles import DAEMON, Actor, Permission
from pilothouse.domain.identity.ssh_keys import PublicKey
from pilothouse.domain.identity.users import KeyUse, User, UserKey
from pilothouse.operations.authorisation import (
    Change,
    changing,
    check_admin_left,
    clean_text,
    reading,
    reason_given,
)
from pilothouse.operations.identity import dual_control
from pilothouse.operations.services import Services
from pilothouse.sqlite import Connection
from pilothouse.store.governance import persons, users


@dataclass(frozen=True, slots=True)
class ListedUser:
    """A user of a name, the newest where they were disabled and came back, with every key that was ever theirs."""

    user: User
    keys: tuple[UserKey, ...]
    valid_keys: int
    """Keys that let them in now."""


@dataclass(frozen=True, slots=True)
class KeyTerms:
    """What a key is added as, and how long it is valid."""

    use: KeyUse = KeyUse.KEY
    valid_after: datetime | None = None
    valid_before: datetime | None = None


def list_users(services: Services, actor: Actor) -> list[ListedUser]:
    """Users by name, each with their keys; disabled ones too."""
    with reading(services, actor) as connection:
        newest = {user.name: user for user in users.all_users(connection)}
        keys = users.keys_of(connection)
    now = services.now()
    listed = []
    for name, user in newest.items():
        theirs = tuple(key for key in keys if key.user == name)
        valid = 0 if user.disabled_at else sum(key.is_valid(now) for key in theirs)
        listed.append(ListedUser(user, theirs, valid))
    return listed


def keys_of(services: Services, actor: Actor, name: str) -> ListedUser:
    """One user with their keys. Raises NotFoundError."""
    found = next((one for one in list_users(services, actor) if one.user.name == name), None)
    if found is None:
        raise NotFoundError(_nobody(name))
    return found


def add_user(
    services: Services, actor: Actor, name: str, *, subject: str = "", keys: Sequence[PublicKey] = ()
) -> User:
    """Add a user, with keys of their own if there are any. What they may do is what roles their name holds.

    Raises InvalidInputError (not a name), ConflictError (there is one, or one that differs only by case, or the key is bound).
    """
    check_name(name)
    if folded(name) == DAEMON.name:
        raise InvalidInputError(f"{name!r} is the daemon's own name: nobody is a user of it")
    subject = clean_text(subject, "the subject")
    with changing(services, actor, Permission.GRANT, alone=True, act=f"add the user {name}") as change:
        known = users.newest(change.connection, name)
        if known is not None:
            again = f": let them in again with pilothouse users enable {name}" if known.disabled_at else ""
            raise ConflictError(f"{name} is a user already{again}")
        same = persons.alike(change.connection, name)
        if same:
            raise ConflictError(f"{name} differs only by case from {same}, who is known: add {same}")
        users.add(change.connection, name, subject, by=actor.name, at=change.at)
        change.record("user.added", name, {"subject": subject})
        for key in keys:
            _add_key(change, name, key, KeyTerms())
        user = users.in_force(change.connection, name)
        assert user is not None
        return user


def disable_user(services: Services, actor: Actor, name: str, reason: str) -> None:
    """Let a user in no more, from now on: their keys stop and their open consoles end.

    Raises InvalidInputError (no reason), NotFoundError, ConflictError (disabled already) or NotAllowedError.
    """
    reason = reason_given(reason, "disabling a user")
    with changing(services, actor, Permission.GRANT, alone=True, act=f"disable {name}") as change:
        user = _required(change.connection, name)
        if not users.disable(change.connection, name, reason, by=actor.name, at=change.at):
            raise ConflictError(f"{name} is disabled already, by {user.disabled_by}: {user.disabled_why}")
        check_admin_left(change.connection, name)
        before = {"created_by": user.created_by, "subject": user.subject}
        change.record("user.disabled", name, {"reason": reason, "before": before})


def enable_user(services: Services, actor: Actor, name: str, reason: str) -> None:
    """Let a disabled user in again, with the keys that were not revoked and are not over.

    Raises InvalidInputError (no reason), NotFoundError or ConflictError (not disabled).
    """
    reason = reason_given(reason, "enabling a user")
    with changing(services, actor, Permission.GRANT, alone=True, act=f"enable {name}") as change:
        user = _required(change.connection, name)
        if user.disabled_at is None:
            raise ConflictError(f"{name} is not disabled")
        dual_control.check_key_of_another(change, name)
        users.add(change.connection, name, user.subject, by=actor.name, at=change.at)
        before = {"disabled_by": user.disabled_by, "disabled_why": user.disabled_why}
        change.record("user.enabled", name, {"reason": reason, "before": before})


def add_key(services: Services, actor: Actor, name: str, key: PublicKey, terms: KeyTerms) -> UserKey:
    """Bind a key to a user's name, or an authority whose certificates name them.

    Raises NotFoundError (no user), ConflictError (bound already) or InvalidInputError (its time is over).
    """
    with changing(services, actor, Permission.GRANT, alone=True, act=f"bind a key to {name}") as change:
        _required(change.connection, name)
        return _add_key(change, name, key, terms)


def revoke_key(services: Services, actor: Actor, name: str, fingerprint: str, reason: str) -> None:
    """Let a key in no more, from now on. Raises NotFoundError (not theirs, or revoked already), InvalidInputError."""
    reason = reason_given(reason, "revoking a key")
    with changing(services, actor, Permission.GRANT, alone=True, act=f"revoke a key of {name}") as change:
        _required(change.connection, name)
        theirs = [key for key in users.keys_of(change.connection, name) if key.revoked_at is None]
        found = next((key for key in theirs if key.fingerprint == fingerprint), None)
        if found is None:
            raise NotFoundError(
                f"{fingerprint} is no key of {name} in force: see pilothouse users keys {name}"
            )
        users.revoke_key(change.connection, found.id, reason, by=actor.name, at=change.at)
        change.record("key.revoked", name, {**_described(found.key, found.kind), "reason": reason})


def key_in_force(
    connection: Connection, fingerprint: str, at: datetime, *, user: str | None = None
) -> UserKey | None:
    """Somebody's own key that was in force at a time, of a user who was; None where there was none. ``user``: theirs only."""
    keys = users.keys_in_force(connection, at, fingerprint=fingerprint, user=user)
    return next((key for key in keys if key.kind is KeyUse.KEY), None)


def _add_key(change: Change, name: str, key: PublicKey, terms: KeyTerms) -> UserKey:
    dual_control.check_key_of_another(change, name)
    if terms.valid_before is not None and terms.valid_before <= max(
        change.at, terms.valid_after or change.at
    ):
        raise InvalidInputError(f"the key's time is over at {terms.valid_before:%Y-%m-%d %H:%M} UTC already")
    for other in users.with_fingerprint(change.connection, key.fingerprint):
        # an authority may be several people's, a person's own key is theirs alone
        if other.revoked_at is None and (other.user == name or KeyUse.KEY in (other.kind, terms.use)):
            raise ConflictError(f"{key.fingerprint} is a {other.kind} of {other.user} already")
    users.add_key(
        change.connection,
        name,
        key,
        terms.use,
        valid=(terms.valid_after, terms.valid_before),
        by=change.actor.name,
        at=change.at,
    )
    times = {"valid_after": terms.valid_after, "valid_before": terms.valid_before}
    change.record(
        "key.added",
        name,
        _described(key, terms.use) | {what: time.isoformat() for what, time in times.items() if time},
    )
    return users.with_fingerprint(change.connection, key.fingerprint)[-1]


def _described(key: PublicKey, use: KeyUse) -> dict[str, str]:
    return {
        "fingerprint": key.fingerprint,
        "key_type": key.key_type,
        "kind": str(use),
        "comment": key.comment,
    }


def _required(connection: Connection, name: str) -> User:
    user = users.newest(connection, name)
    if user is None:
        raise NotFoundError(_nobody(name))
    return user


def _nobody(name: str) -> str:
    return f"{name!r} is no user here: see pilothouse users, or add them with pilothouse users add NAME"
