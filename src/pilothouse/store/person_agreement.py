"""Agreement of persons, and of the authors of requests, with the audit log."""

from collections import Counter
from collections.abc import Iterator

from pilothouse.sqlite import Connection
from pilothouse.store import audit


def disagreements(connection: Connection) -> Iterator[str]:
    """Lines that each name a row that differs from the log."""
    yield from _names(connection)
    yield from _authors(connection)


def _names(connection: Connection) -> Iterator[str]:
    logged = Counter(
        (
            entry.subject,
            entry.detail["uid"] if entry.action == "person.known" else entry.detail["same_as"],
            entry.actor,
        )
        for entry in audit.of_actions(connection, "person.known", "persons.joined")
    )
    rows = connection.execute("SELECT name, coalesce(uid, same_as) AS other, recorded_by FROM person_names")
    stored = Counter((row["name"], row["other"], row["recorded_by"]) for row in rows)
    for name, other in sorted(
        {(name, str(other)) for name, other, _ in (logged - stored) | (stored - logged)}
    ):
        yield f"the person {name}, who is {other}"


def _authors(connection: Connection) -> Iterator[str]:
    """Authors of requests; a request of an earlier release was logged without them."""
    stored: dict[str, list[list[str]]] = {}
    for row in connection.execute("SELECT request_id, name, part FROM request_authors ORDER BY 1, position"):
        stored.setdefault(f"request {row['request_id']}", []).append([row["name"], row["part"]])
    for entry in audit.of_actions(connection, "request.made"):
        if "with_part" in entry.detail and stored.get(entry.subject, []) != entry.detail["with_part"]:
            yield f"{entry.subject}: its authors"
