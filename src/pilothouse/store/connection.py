"""File of the registry."""

from collections.abc import Iterator
from contextlib import contextmanager

from pilothouse.domain.errors import ConflictError
from pilothouse.sqlite import Connection, Database, driver
from pilothouse.store import row_digests
from pilothouse.store.migrations import SCHEMA


class Registry(Database):
    """Database ``registry.db``. A change that one of its constraints refuses is a ConflictError."""

    schema = SCHEMA
    named_rows = True

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """Unit of work, as ``Database.transaction``. At its end the rows that it has changed are accounted for: RuntimeError
        where rows that decide were changed and no audit entry was written."""
        with self._working() as opened:
            is_outermost = not opened.connection.in_transaction
            if is_outermost:
                row_digests.track(opened.connection)
        with super().transaction() as connection:
            yield connection
            if is_outermost:
                row_digests.settle(connection, self.committed)

    @contextmanager
    def _errors(self) -> Iterator[None]:
        with super()._errors():
            try:
                yield
            except driver.IntegrityError as error:
                raise ConflictError(
                    f"the registry refused the change: {error}; look again and repeat it"
                ) from error
