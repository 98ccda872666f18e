"""Passphrases: set by their owners, locked after wrong tries, unlocked or taken away by an admin."""

from dataclasses import dataclass

from pilothouse.domain.errors import ConflictError, NotAllowedError, NotFoundError
from pilothouse.domain.identity.roles import Actor, Permission
from pilothouse.operations.authorisation import Change, changing, reading, reason_given
from pilothouse.operations.services import Services
from pilothouse.signing.passphrases import Stretched, matches, stretch
from pilothouse.sqlite import Connection
from pilothouse.store import workspace
from pilothouse.store.governance import passphrases
from pilothouse.store.governance.passphrases import MOST_WRONG, StoredPassphrase
from pilothouse.store.log import row_checks


@dataclass(frozen=True, slots=True)
class PassphraseStanding:
    """What is known of somebody's passphrase."""

    is_set: bool
    locked: bool
    wrong: int


@dataclass(frozen=True, slots=True)
class Proof:
    """Word that a passphrase was the right one; it counts in the transaction that ``accept`` takes it in."""

    name: str
    number: int


def standing(services: Services, actor: Actor) -> PassphraseStanding:
    """Standing of the actor's own passphrase."""
    with reading(services, actor) as connection:
        stored = passphrases.newest(connection, actor.name)
    return PassphraseStanding(
        stored is not None, bool(stored and stored.locked), stored.wrong if stored else 0
    )


def set_passphrase(services: Services, actor: Actor, new: str, old: str | None = None) -> None:
    """Set the actor's own passphrase; where there is one, ``old`` must be it.

    Raises InvalidInputError (too short), NotAllowedError (the old one is wrong, missing or locked).
    """
    stretched = stretch(new)
    with reading(services, actor) as connection:
        before = passphrases.newest(connection, actor.name)
    if before is not None and old is None:
        raise NotAllowedError(f"{actor.name} has a passphrase: it is asked for before another one is set")
    proof = prove(services, actor, old) if before is not None and old is not None else None
    with changing(services, actor, Permission.READ) as change:
        if proof is not None:
            accept(change, proof)
        elif passphrases.newest(change.connection, actor.name) is not None:
            raise ConflictError(f"{actor.name} has set a passphrase just now")
        passphrases.add(
            change.connection,
            actor.name,
            n=stretched.n,
            r=stretched.r,
            p=stretched.p,
            salt=stretched.salt,
            digest=stretched.digest,
            at=change.at,
        )
        change.record("passphrase.set", actor.name, {"replaced": before is not None})


def unlock(services: Services, actor: Actor, name: str, reason: str) -> None:
    """Let a locked passphrase be tried again, as an admin. Raises NotFoundError, ConflictError or NotAllowedError."""
    reason = reason_given(reason, "unlocking a passphrase")
    with changing(services, actor, Permission.UNLOCK) as change:
        _refuse_own(change, name)
        stored = _required(change.connection, name)
        if not stored.locked:
            raise ConflictError(f"the passphrase of {name} is not locked ({stored.wrong} wrong tries)")
        passphrases.add_try(change.connection, stored.id, "unlocked", by=actor.name, at=change.at)
        change.record("passphrase.unlocked", name, {"reason": reason, "wrong": stored.wrong})


def take_away(services: Services, actor: Actor, name: str, reason: str) -> None:
    """Take a passphrase away that its owner has forgotten, as an admin: the owner sets another one.

    Raises NotFoundError or NotAllowedError.
    """
    reason = reason_given(reason, "taking a passphrase away")
    with changing(services, actor, Permission.UNLOCK) as change:
        _refuse_own(change, name)
        _required(change.connection, name)
        passphrases.take_away(change.connection, name, by=actor.name, at=change.at)
        change.record("passphrase.taken", name, {"reason": reason})


def prove(services: Services, actor: Actor, passphrase: str) -> Proof:
    """Proof that it is the actor's passphrase. A wrong one is counted and on record before this raises.

    Raises NotAllowedError (wrong, locked, none set).
    """
    with reading(services, actor) as connection:
        stored = _usable(connection, actor.name)
    # outside of the transaction: it is slow on purpose, and nobody else has to wait for it
    if matches(passphrase, Stretched(stored.n, stored.r, stored.p, stored.salt, stored.digest)):
        return Proof(actor.name, stored.id)
    with changing(services, actor, Permission.READ, even_read_only=True) as change:
        now = _usable(change.connection, actor.name)
        if now.id == stored.id:
            passphrases.add_try(change.connection, stored.id, "wrong", by=actor.name, at=change.at)
        wrong = now.wrong + 1
        change.record("passphrase.wrong", actor.name, {"wrong": wrong, "locked": wrong >= MOST_WRONG})
    if wrong >= MOST_WRONG:
        raise NotAllowedError(_locked_text(actor.name, wrong))
    left = MOST_WRONG - wrong
    raise NotAllowedError(
        f"wrong passphrase: {left} more {'try' if left == 1 else 'tries'}, then it is locked"
    )


def accept(change: Change, proof: Proof) -> None:
    """Take a proof in the transaction of what it is for. Raises NotAllowedError where the passphrase was locked or replaced
    since: among tries at the same time those count that were wrong first."""
    stored = _usable(change.connection, change.actor.name)
    if (stored.name, stored.id) != (proof.name, proof.number):
        raise NotAllowedError(f"the passphrase of {change.actor.name} was replaced just now: try the new one")
    if stored.wrong:
        passphrases.add_try(change.connection, stored.id, "right", by=change.actor.name, at=change.at)


def _usable(connection: Connection, name: str) -> StoredPassphrase:
    """Passphrase in force that is not locked, as the log has it."""
    row_checks.check_rows(
        connection, "passphrases", "name", [name], also_named=f"the passphrase of {name} of "
    )
    stored = passphrases.newest(connection, name)
    if stored is not None:
        of_it = f"passphrase {stored.id}: try "
        row_checks.check_rows(connection, "passphrase_tries", "passphrase_id", [stored.id], also_named=of_it)
    if stored is None:
        raise NotAllowedError(f"{name} has set no passphrase yet: pilothouse passphrase set")
    if stored.locked:
        raise NotAllowedError(_locked_text(name, stored.wrong))
    return stored


def _locked_text(name: str, wrong: int) -> str:
    return (
        f"the passphrase of {name} is locked after {wrong} wrong tries: an admin unlocks it "
        f"(pilothouse passphrase unlock {name})"
    )


def _required(connection: Connection, name: str) -> StoredPassphrase:
    stored = passphrases.newest(connection, name)
    if stored is None:
        raise NotFoundError(f"{name} has set no passphrase")
    return stored


def _refuse_own(change: Change, name: str) -> None:
    if change.actor.has_name(name) and not workspace.policy(change.connection).solo:
        raise NotAllowedError(f"{change.actor.name} may not do this for themself: another admin does")
