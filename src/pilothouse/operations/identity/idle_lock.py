"""Idle lock of consoles: a setting of the workspace, and what happens to a session that was locked."""

from pilothouse.domain.errors import InvalidInputError
from pilothouse.domain.identity.roles import Actor, Permission
from pilothouse.operations.authorisation import changing, clean_text
from pilothouse.operations.identity import passphrases
from pilothouse.operations.services import Services
from pilothouse.store import workspace

SETTING = "idle_lock"
"""Seconds without a key until a console locks itself; empty or never set: it does not."""
_SHORTEST_S, _LONGEST_S = 30, 86_400


def seconds(services: Services) -> int | None:
    """Seconds without a key after which a console locks itself; None where it does not."""
    with services.registry.read() as connection:
        text = workspace.setting(connection, SETTING)
    return int(text) if text else None


def set_idle_lock(services: Services, actor: Actor, after_s: int | None, reason: str = "") -> None:
    """Set after how many seconds without a key consoles lock themselves; None: never. Raises InvalidInputError."""
    if after_s is not None and not _SHORTEST_S <= after_s <= _LONGEST_S:
        raise InvalidInputError(f"the idle lock: found {after_s} seconds; expected half a minute to a day")
    reason = clean_text(reason, "the reason")
    with changing(services, actor, Permission.SET_POLICY) as change:
        before = workspace.setting(change.connection, SETTING) or None
        workspace.set_setting(change.connection, SETTING, str(after_s) if after_s else "")
        detail = {"reason": reason, "before": int(before) if before else None, "after": after_s}
        change.record("idle_lock.set", "workspace", detail)


def note_lock(services: Services, actor: Actor, session: int | None) -> None:
    """Record that a console locked itself."""
    with changing(services, actor, Permission.READ, even_read_only=True) as change:
        change.record("session.locked", _subject(session))


def can_unlock(services: Services, actor: Actor) -> bool:
    """Whether the actor has a second component that unlocks: a passphrase that is not locked itself."""
    known = passphrases.standing(services, actor)
    return known.is_set and not known.locked


def unlock(services: Services, actor: Actor, session: int | None, passphrase: str) -> None:
    """Unlock a console by its user's passphrase. Raises NotAllowedError: a wrong one is counted and on record."""
    proof = passphrases.prove(services, actor, passphrase)
    with changing(services, actor, Permission.READ, even_read_only=True) as change:
        passphrases.accept(change, proof)
        change.record("session.unlocked", _subject(session))


def _subject(session: int | None) -> str:
    return "session" if session is None else f"session {session}"
