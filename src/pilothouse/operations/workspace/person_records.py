"""Persons and their names: which names are one person, as admins declare and as accounts of the system show."""

from dataclasses import dataclass

from pilothouse.domain.errors import ConflictError, InvalidInputError, NotFoundError
from pilothouse.domain.identity.persons import PersonName, folded
from pilothouse.domain.identity.roles import DAEMON, Actor, Permission
from pilothouse.operations.authorisation import changing, clean_text, reading
from pilothouse.operations.services import Services
from pilothouse.sqlite import Connection
from pilothouse.store.governance import persons


@dataclass(frozen=True, slots=True)
class Person:
    """A person: the name that stands for them, all of their names as they were written, and their accounts of the system."""

    name: str
    names: tuple[str, ...]
    accounts: tuple[int, ...]


def list_persons(services: Services, actor: Actor) -> list[Person]:
    """Persons who hold or held a role, or are on record, by name."""
    with reading(services, actor) as connection:
        known = persons.persons(connection)
        written: dict[str, list[str]] = {}
        for name in persons.known_names(connection):
            written.setdefault(known.subject(name), []).append(name)
    return [
        Person(subject, tuple(names), known.accounts(subject)) for subject, names in sorted(written.items())
    ]


def join(services: Services, actor: Actor, name: str, other: str, reason: str = "") -> Person:
    """Declare for good that two names are one person's.

    Raises NotAllowedError, NotFoundError (a name that is not known), InvalidInputError or ConflictError (one already).
    """
    reason = clean_text(reason, "the reason")
    if DAEMON.name in (folded(name), folded(other)):
        raise InvalidInputError(f"{DAEMON.name!r} is the daemon's own name: it is nobody's second name")
    with changing(services, actor, Permission.GRANT, act=f"join {name} and {other}") as change:
        known, names = persons.persons(change.connection), persons.known_names(change.connection)
        for one in (name, other):
            if one not in names:
                raise NotFoundError(f"{one!r} is nobody's name here: list them with pilothouse persons list")
        if known.subject(name) == known.subject(other):
            raise ConflictError(f"{name} and {other} are one person already")
        persons.add(change.connection, PersonName(name, None, other), by=actor.name, at=change.at)
        change.record("persons.joined", name, {"same_as": other, "reason": reason})
        after = persons.persons(change.connection)
        subject = after.subject(name)
        written = tuple(one for one in names if after.subject(one) == subject)
        return Person(subject, written, after.accounts(name))


def is_same(connection: Connection, name: str, other: str) -> bool:
    """True where both are names of one person."""
    known = persons.persons(connection)
    return known.subject(name) == known.subject(other)
