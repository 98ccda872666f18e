"""File of the registry."""

from collections.abc import Iterator
from contextlib import contextmanager

from pilothouse.domain.errors import ConflictError, IntegrityError
from pilothouse.domain.formats.canonical import canonical_digest
from pilothouse.sqlite import Connection, Database, driver
from pilothouse.sqlite.schema import definitions_of, pragma
from pilothouse.store.log import row_digests
from pilothouse.store.migrations import SCHEMA

TRIGGERS = "ed17cc7314f12d8217753f6e249961da00b7302c894bb48da8ccbc683b4838ee"
"""Digest of the triggers of a registry of this release; a test compares it with those that the migrations make."""


def trigger_digest(definitions: set[tuple[str, str, str]]) -> str:
    """sha256 over the names and texts of the triggers among definitions."""
    return canonical_digest(sorted([name, sql] for kind, name, sql in definitions if kind == "trigger"))


class Registry(Database):
    """Database ``registry.db``. A change that one of its constraints refuses is a ConflictError."""

    schema = SCHEMA
    named_rows = True
    _checked_version = -1
    """Version of the schema, by SQLite's own count, whose triggers were compared."""

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """Unit of work, as ``Database.transaction``. At its end the rows that it has changed are accounted for: RuntimeError
        where rows that decide were changed and no audit entry was written."""
        with self._working() as opened:
            is_outermost = not opened.connection.in_transaction
            if is_outermost and not opened.is_prepared_to_write:
                row_digests.track(opened.connection)
                opened.is_prepared_to_write = True
        with super().transaction() as connection:
            if is_outermost:
                self._check_triggers(connection)
            yield connection
            if is_outermost:
                row_digests.settle(connection, self.committed)

    def _check_triggers(self, connection: Connection) -> None:
        """Raise IntegrityError where a trigger was planted, changed or taken out: Pilothouse's own change would carry out what
        it says, and account for it."""
        version = pragma(connection, "schema_version")
        if version == self._checked_version or pragma(connection, "user_version") != SCHEMA.version:
            return
        if trigger_digest(definitions_of(connection)) != TRIGGERS:
            raise IntegrityError(
                f"{self.path}: its triggers are not those of this release, so nothing is changed: somebody changed the "
                "database past Pilothouse; pilothouse doctor names them, a backup from before has the right ones"
            )
        self._checked_version = version

    @contextmanager
    def _errors(self) -> Iterator[None]:
        with super()._errors():
            try:
                yield
            except driver.IntegrityError as error:
                raise ConflictError(
                    f"the registry refused the change: {error}; look again and repeat it"
                ) from error
