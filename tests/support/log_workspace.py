"""A small workspace with a log of some rows, and what its owner can do to it past Pilothouse."""

import json
from pathlib import Path

from pilothouse.composition import open_workspace
from pilothouse.domain.formats.canonical import canonical_json
from pilothouse.domain.identity.roles import Actor, Role
from pilothouse.operations.services import Services
from pilothouse.operations.workspace import workspaces
from pilothouse.sqlite import driver
from pilothouse.store.log import audit
from pilothouse.transparency import merkle
from support import until_the_test_ends


def make_log(root: Path, rows: int = 20) -> tuple[Services, Actor]:
    """A workspace with an admin and so many further rows in its log."""
    workspaces.initialise(root, "ada")
    services = until_the_test_ends(open_workspace(root))
    add_rows(services, rows)
    return services, workspaces.identify(services, "ada")


def add_rows(services: Services, rows: int) -> None:
    """Further rows in the log."""
    changes = [("tests.wrote", f"row {number}", {}) for number in range(rows)]
    with services.registry.transaction() as connection:
        audit.append_all(connection, at=services.now(), actor="tests", changes=changes)


def decide(services: Services, actor: Actor) -> None:
    """A decision."""
    name = f"p{services.now().timestamp():.6f}".replace(".", "")
    workspaces.grant_role(services, actor, name, Role.VIEWER)


def count(services: Services) -> int:
    with services.registry.read() as connection:
        return audit.head(connection).count


def leaves(services: Services) -> list[bytes]:
    """Hashes of the leaves, from the rows as they are."""
    with services.registry.read() as connection:
        return [
            merkle.leaf_hash(bytes.fromhex(row[0]))
            for row in connection.execute("SELECT hash FROM audit ORDER BY seq")
        ]


class Owner:
    """Whoever owns the files, with SQLite alone and without triggers."""

    def __init__(self, services: Services) -> None:
        self.connection = driver.connect(str(services.paths.registry), isolation_level=None)
        self.triggers = self.connection.execute(
            "SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'"
        ).fetchall()
        for name, _ in self.triggers:
            self.connection.execute(f"DROP TRIGGER {name}")

    def write_anew(self, seq: int, detail: dict[str, object]) -> None:
        """Give a row another detail and compute every hash from it on again, so that the chain is sound; the tree too."""
        rows = self.connection.execute(
            "SELECT seq, recorded_at, actor, action, subject, detail, rows FROM audit WHERE seq >= ? ORDER BY seq",
            (seq,),
        ).fetchall()
        previous = self.connection.execute("SELECT hash FROM audit WHERE seq = ?", (seq - 1,)).fetchone()[0]
        for number, at, actor, action, subject, text, covered in rows:
            told = detail if number == seq else json.loads(text)
            digest = audit.entry_hash(number, at, actor, action, subject, told, previous, covered)
            self.connection.execute(
                "UPDATE audit SET detail = ?, previous = ?, hash = ? WHERE seq = ?",
                (canonical_json(told), previous, digest, number),
            )
            previous = digest
        self.grow_again()

    def grow_again(self) -> None:
        """Compute the tree on record again."""
        self.connection.execute("DELETE FROM log_subtrees")
        hashes = [row[0] for row in self.connection.execute("SELECT hash FROM audit ORDER BY seq")]
        for place in range(len(hashes) // 256):
            part = [merkle.leaf_hash(bytes.fromhex(one)) for one in hashes[256 * place :][:256]]
            self.connection.execute("INSERT INTO log_subtrees VALUES (8, ?, ?)", (place, merkle.fold(part)))

    def cut(self, after: int) -> None:
        """Take the end of the log away, and what was covered by it."""
        self.connection.execute("DELETE FROM audit WHERE seq > ?", (after,))
        self.connection.execute("DELETE FROM row_digests WHERE seq > ?", (after,))
        self.grow_again()

    def forget_heads(self) -> None:
        """Take every signed head from the record."""
        for table in ("log_cosignatures", "log_heads", "log_deliveries"):
            self.connection.execute(f"DELETE FROM {table}")

    def leave(self) -> None:
        """Put the triggers back."""
        for _, text in self.triggers:
            self.connection.execute(text)
        self.connection.close()
