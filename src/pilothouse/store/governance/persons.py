"""Names and accounts of persons."""

from datetime import datetime

from pilothouse.domain.formats.time_units import to_us
from pilothouse.domain.identity.persons import PersonName, Persons, folded
from pilothouse.sqlite import Connection


def persons(connection: Connection) -> Persons:
    """Persons by all that is on record."""
    rows = connection.execute("SELECT name, uid, same_as FROM person_names ORDER BY id")
    return Persons.of(PersonName(*row) for row in map(tuple, rows))


def add(connection: Connection, record: PersonName, *, by: str, at: datetime) -> None:
    """Record for good that a name is an account's, or another name of the same person."""
    connection.execute(
        "INSERT INTO person_names (name, uid, same_as, recorded_by, recorded_at) VALUES (?, ?, ?, ?, ?)",
        (record.name, record.uid, record.same_as, by, to_us(at)),
    )


def known_names(connection: Connection) -> list[str]:
    """Every name that has ever held a role, is a user's, or is on record as a person's, as it was written."""
    rows = connection.execute(
        "SELECT actor AS name FROM grants UNION SELECT name FROM users UNION SELECT name FROM person_names "
        "UNION SELECT same_as FROM person_names WHERE same_as IS NOT NULL ORDER BY name"
    )
    return [row["name"] for row in rows]


def alike(connection: Connection, name: str) -> str:
    """Name on record that differs only by case from one that is not on record; empty where there is none."""
    names = known_names(connection)
    if name in names:
        return ""
    return next((known for known in names if folded(known) == folded(name)), "")
