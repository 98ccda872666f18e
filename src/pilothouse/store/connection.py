"""File of the registry."""

from collections.abc import Iterator
from contextlib import contextmanager

from pilothouse.domain.errors import ConflictError
from pilothouse.sqlite import Database, driver
from pilothouse.store.migrations import SCHEMA


class Registry(Database):
    """Database ``registry.db``. A change that one of its constraints refuses is a ConflictError."""

    schema = SCHEMA
    named_rows = True

    @contextmanager
    def _errors(self) -> Iterator[None]:
        with super()._errors():
            try:
                yield
            except driver.IntegrityError as error:
                raise ConflictError(
                    f"the registry refused the change: {error}; look again and repeat it"
                ) from error
