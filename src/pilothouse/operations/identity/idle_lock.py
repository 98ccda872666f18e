"""Idle lock of consoles: a setting of the workspace, and what happens to a session that was locked."""

import secrets
from dataclasses import dataclass

from pilothouse.domain.errors import InvalidInputError, NotAllowedError, NotFoundError, PilothouseError
from pilothouse.domain.identity.roles import Actor, Permission
from pilothouse.domain.identity.unlocking import NAMESPACE, Challenge
from pilothouse.operations.authorisation import Change, changing, clean_text, present, reading
from pilothouse.operations.identity import passphrases
from pilothouse.operations.identity.signing_keys import check_keys, chosen, key_on_record
from pilothouse.operations.services import Services
from pilothouse.signing import agent, sshsig
from pilothouse.signing.agent import AgentKey
from pilothouse.store import workspace
from pilothouse.store.governance import users
from pilothouse.store.log import audit

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


@dataclass(frozen=True, slots=True)
class Ways:
    """What unlocks a console now: its user's passphrase, and the key in their agent (empty: none, and why)."""

    passphrase: bool
    key: str = ""
    why_no_key: str = ""


def ways(services: Services, actor: Actor, socket: str) -> Ways:
    """What unlocks the actor's console: a passphrase that is not locked itself, and a key of theirs that is in force and in the
    agent at ``socket``."""
    known = passphrases.standing(services, actor)
    has_passphrase = known.is_set and not known.locked
    try:
        return Ways(has_passphrase, _agent_key(services, actor, socket).key.fingerprint)
    except PilothouseError as error:
        return Ways(has_passphrase, why_no_key=str(error))


def unlock(services: Services, actor: Actor, session: int | None, passphrase: str) -> None:
    """Unlock a console by its user's passphrase. Raises NotAllowedError: a wrong one is counted and on record."""
    proof = passphrases.prove(services, actor, passphrase)
    with changing(services, actor, Permission.READ, even_read_only=True) as change:
        passphrases.accept(change, proof)
        change.record("session.unlocked", _subject(session), {"by": "passphrase"})


def unlock_with_agent(services: Services, actor: Actor, session: int | None, socket: str) -> None:
    """Unlock a console by a key of its user in the agent at ``socket``, which signs a challenge of this moment.

    Raises UnavailableError (no agent, no answer, refused), NotFoundError (no key of theirs in it) or NotAllowedError (its
    signature does not hold, which is on record).
    """
    held = _agent_key(services, actor, socket)
    with reading(services, actor) as connection:
        at, log = present(services, connection), audit.head(connection).hash
    challenge = Challenge(actor.name, session, secrets.token_hex(32), at, log)
    text = agent.sign(socket, held, challenge.to_bytes(), NAMESPACE)
    fault = ""
    with changing(services, actor, Permission.READ, even_read_only=True) as change:
        try:
            change.record("session.unlocked", _subject(session), checked(change, challenge, text))
        except PilothouseError as error:
            fault = str(error)
            change.record("session.unlock_refused", _subject(session), {"why": fault})
    if fault:
        raise NotAllowedError(fault)


def checked(change: Change, challenge: Challenge, text: str) -> dict[str, str]:
    """What is put on record of an unlock by a signature. Raises InvalidInputError, NotAllowedError or IntegrityError unless it
    is over the challenge, in the namespace for unlocking, by a key that is the actor's now."""
    check_keys(change.connection, change.actor.name)
    signature = sshsig.parse(text)
    signature.check(challenge.to_bytes(), NAMESPACE)
    key = key_on_record(change, signature)
    return {"by": "key", "key": signature.key.fingerprint, "bound_by": key.fingerprint}


def _agent_key(services: Services, actor: Actor, socket: str) -> AgentKey:
    with reading(services, actor) as connection:
        usable = users.keys_in_force(connection, present(services, connection), user=actor.name)
    if not usable:
        raise NotFoundError(f"no SSH key is bound to {actor.name}")
    return chosen(agent.keys(socket), usable, actor.name)


def _subject(session: int | None) -> str:
    return "session" if session is None else f"session {session}"
