"""Which database a file is, and in which form: told by its header, without a library and without its tables."""

import os
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from pilothouse.domain.errors import IntegrityError, NotFoundError, UnavailableError
from pilothouse.sqlite.connection import (
    Connection,
    check_file_system,
    check_library,
    connect,
    driver,
    enter_wal,
)
from pilothouse.sqlite.errors import errors_named
from pilothouse.sqlite.transactions import unit_of_work


@dataclass(frozen=True)
class Schema:
    """The tables of one of our files. ``migrate`` brings any older form up to date inside the caller's transaction."""

    kind: str
    """What messages call the file: ``registry``."""
    application_id: int
    """In the file's header: tells it from any other SQLite file."""
    version: int
    """What this release reads and writes; in ``PRAGMA user_version``."""
    migrate: Callable[[Connection], None]
    gives_back: bool = False
    """Whether pages that were freed can be given back to the file system a few at a time."""


def create_file(path: Path, schema: Schema) -> None:
    """Make an empty database, whole before it has its name; nothing where there is one already.

    Raises UnavailableError where the place or the library is unsafe, or the disk refuses.
    """
    check_library()
    check_file_system(path.parent)
    # Made beside its place and then linked into it: nobody ever opens a database without its tables.
    draft = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}")
    try:
        with errors_named(path):
            os.close(os.open(draft, os.O_CREAT | os.O_RDWR | os.O_TRUNC, 0o600))
            connection = connect(draft)
            try:
                if schema.gives_back:
                    connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
                _bring_up_to_date(connection, schema)
            finally:
                connection.close()
        with suppress(FileExistsError):
            os.link(draft, path)
    except OSError as error:
        raise UnavailableError(
            f"{path} cannot be made: {error.strerror}: check the folder and the disk"
        ) from error
    finally:
        draft.unlink(missing_ok=True)


def upgrade_file(path: Path, schema: Schema) -> None:
    """Bring an older form up to date and the file into WAL. Safe when several processes do so at once."""
    check_file(path, schema)
    with errors_named(path):
        connection = connect(path)
        try:
            if pragma(connection, "application_id") != schema.application_id:
                return
            if pragma(connection, "user_version") < schema.version:
                _bring_up_to_date(connection, schema)
            else:
                enter_wal(connection)  # a copy is not in it
        finally:
            connection.close()


def check_file(path: Path, schema: Schema) -> None:
    """Raise NotFoundError (no file) or UnavailableError (unsafe place or library, or others may write to it)."""
    check_library()
    if not path.exists():
        raise NotFoundError(f"{path} does not exist: this is not a workspace; make one with pilothouse init")
    check_file_system(path)
    if path.stat().st_mode & 0o022:
        raise UnavailableError(
            f"{path} can be written by others than its owner, who could forge any row: run chmod 600 {path}"
        )


def check_schema(connection: Connection, path: Path, schema: Schema) -> None:
    """Raise IntegrityError (another kind of file) or UnavailableError (a form of another release)."""
    if pragma(connection, "application_id") != schema.application_id:
        raise IntegrityError(f"{path} is not a {schema.kind} of Pilothouse: name the workspace's own folder")
    found = pragma(connection, "user_version")
    if found != schema.version:
        what = (
            "install a newer Pilothouse"
            if found > schema.version
            else "open its workspace once to upgrade it"
        )
        raise UnavailableError(
            f"{path} has schema {found}, this Pilothouse knows schema {schema.version}: {what}"
        )


def pragma(connection: Connection, name: str) -> int:
    """A setting that is a whole number."""
    return int(connection.execute(f"PRAGMA {name}").fetchone()[0])


def definitions_of(connection: Connection) -> set[tuple[str, str, str]]:
    """Kind, name and text of tables, indexes and triggers: what keeps rows from being wrong, or changed."""
    rows = connection.execute(
        "SELECT type, name, coalesce(sql, '') FROM sqlite_schema"
    )  # SQLite's own have no text
    return {(kind, name, sql) for kind, name, sql in rows}


def expected_definitions(schema: Schema) -> set[tuple[str, str, str]]:
    """``definitions_of`` a file that was made just now."""
    connection = driver.connect(":memory:", isolation_level=None)
    try:
        connection.execute("BEGIN")
        schema.migrate(connection)
        return definitions_of(connection)
    finally:
        connection.close()


def _bring_up_to_date(connection: Connection, schema: Schema) -> None:
    enter_wal(connection)
    with unit_of_work(connection, "BEGIN IMMEDIATE", "COMMIT", "ROLLBACK"):
        if pragma(connection, "user_version") < schema.version:  # else another process was first
            schema.migrate(connection)
            connection.execute(f"PRAGMA application_id = {schema.application_id}")
            connection.execute(f"PRAGMA user_version = {schema.version}")
