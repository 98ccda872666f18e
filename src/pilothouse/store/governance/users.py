"""Users and their keys."""

from datetime import datetime

from pilothouse.domain.formats.time_units import to_us
from pilothouse.domain.identity.identity import Identity
from pilothouse.domain.identity.ssh_keys import PublicKey
from pilothouse.domain.identity.users import KeyUse, User, UserKey
from pilothouse.sqlite import Connection, Row
from pilothouse.sqlite.conditions import where
from pilothouse.store.values import from_row, insert


def all_users(connection: Connection) -> list[User]:
    """Every user by name, the newest row of each name last; disabled ones too."""
    return [_user(row) for row in connection.execute("SELECT * FROM users ORDER BY name, id")]


def in_force(connection: Connection, name: str) -> User | None:
    """User of a name now; None where there is none, or a disabled one only."""
    row = connection.execute("SELECT * FROM users WHERE name = ? AND disabled_at IS NULL", (name,)).fetchone()
    return _user(row) if row else None


def newest(connection: Connection, name: str) -> User | None:
    """Newest user of a name, disabled or not."""
    row = connection.execute(
        "SELECT * FROM users WHERE name = ? ORDER BY id DESC LIMIT 1", (name,)
    ).fetchone()
    return _user(row) if row else None


def add(connection: Connection, name: str, subject: str, *, by: str, at: datetime) -> None:
    """Record a user from now on. The caller has checked that there is none of that name in force."""
    columns = {"name": name, "subject": subject, "created_by": by, "created_at": at}
    insert(connection, "users", columns)


def disable(connection: Connection, name: str, why: str, *, by: str, at: datetime) -> bool:
    """End a user; False where there is none in force."""
    changed = connection.execute(
        "UPDATE users SET disabled_at = ?, disabled_by = ?, disabled_why = ? WHERE name = ? AND disabled_at IS NULL",
        (to_us(at), by, why, name),
    )
    return changed.rowcount == 1


def add_key(
    connection: Connection,
    user: str,
    key: PublicKey,
    use: KeyUse,
    *,
    valid: tuple[datetime | None, datetime | None] = (None, None),
    by: str,
    at: datetime,
) -> int:
    """Record a key of a user, valid from and until; returns its number."""
    columns = {
        "user": user,
        "kind": use,
        "key_type": key.key_type,
        "public_key": key.public_key,
        "fingerprint": key.fingerprint,
        "hardware": key.is_hardware,
        "comment": key.comment,
        "valid_after": valid[0],
        "valid_before": valid[1],
        "added_at": at,
        "added_by": by,
    }
    return insert(connection, "user_keys", columns)


def revoke_key(connection: Connection, number: int, why: str, *, by: str, at: datetime) -> bool:
    """End a key; False where it is not in force."""
    changed = connection.execute(
        "UPDATE user_keys SET revoked_at = ?, revoked_by = ?, revoked_why = ? WHERE id = ? AND revoked_at IS NULL",
        (to_us(at), by, why, number),
    )
    return changed.rowcount == 1


def keys_of(connection: Connection, user: str | None = None) -> list[UserKey]:
    """Every key that was ever bound to a user's name, or to any, oldest first."""
    conditions, values = where({"user = ?": user})
    rows = connection.execute(f"SELECT * FROM user_keys {conditions} ORDER BY id", values)  # noqa: S608 - ours
    return [_key(row) for row in rows]


def with_fingerprint(connection: Connection, fingerprint: str) -> list[UserKey]:
    """Every key on record with a fingerprint, revoked ones too, oldest first."""
    rows = connection.execute("SELECT * FROM user_keys WHERE fingerprint = ? ORDER BY id", (fingerprint,))
    return [_key(row) for row in rows]


def keys_in_force(
    connection: Connection, at: datetime, *, fingerprint: str | None = None, user: str | None = None
) -> list[UserKey]:
    """Keys that were in force at a time: on record, not revoked, within their time, of a user who was in force."""
    now = to_us(at)
    conditions, values = where(
        {
            "k.fingerprint = ?": fingerprint,
            "k.user = ?": user,
            "k.added_at <= ?": now,
            "(k.revoked_at IS NULL OR k.revoked_at > ?)": now,
            "(k.valid_after IS NULL OR k.valid_after <= ?)": now,
            "(k.valid_before IS NULL OR k.valid_before > ?)": now,
            "u.created_at <= ?": now,
            "(u.disabled_at IS NULL OR u.disabled_at > ?)": now,
        }
    )
    rows = connection.execute(
        f"SELECT k.* FROM user_keys k JOIN users u ON u.name = k.user {conditions} ORDER BY k.id",  # noqa: S608 - ours
        values,
    )
    return [_key(row) for row in rows]


def ending(connection: Connection, name: str, identity: Identity | None) -> str:
    """Reason why somebody may act no more: disabled, or the key is revoked that they came with. Empty where they may."""
    user = newest(connection, name)
    if user is not None and user.disabled_at is not None:
        return f"{name} is disabled, by {user.disabled_by}: {user.disabled_why}"
    if identity is None or not identity.is_over_ssh:
        return ""
    if user is None:
        return f"{name} is no user here"
    own = with_fingerprint(connection, identity.fingerprint)
    rests_on = with_fingerprint(connection, identity.authority) if identity.authority else own
    theirs = [key for key in rests_on if key.user == name]
    if any(key.revoked_at is None for key in theirs) and (not own or any(k.revoked_at is None for k in own)):
        return ""
    revoked = [key for key in (*theirs, *own) if key.revoked_at is not None]
    why = f", by {revoked[-1].revoked_by}: {revoked[-1].revoked_why}" if revoked else ""
    return f"the key that {name} came with is in force no more{why}"


def _user(row: Row) -> User:
    given = {"disabled_by": row["disabled_by"] or "", "disabled_why": row["disabled_why"] or ""}
    return from_row(User, row, **given)


def _key(row: Row) -> UserKey:
    given = {"revoked_by": row["revoked_by"] or "", "revoked_why": row["revoked_why"] or ""}
    return from_row(UserKey, row, **given)
