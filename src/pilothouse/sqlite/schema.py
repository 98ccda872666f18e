"""Schema of a database file: its kind and version, read from its header, without a library and without its tables."""

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

Progress = Callable[[int, int], None]
"""What is told how many rows of how many are brought up to date."""


@dataclass(frozen=True)
class Schema:
    """Tables of one kind of file. ``migrate`` brings any older version up to date inside the caller's transaction, and tells
    how far it is where somebody asks."""

    kind: str
    """Name of the file in messages: ``registry``."""
    application_id: int
    """Number in the file's header that tells it from any other SQLite file."""
    version: int
    """Version that this release reads and writes, in ``PRAGMA user_version``."""
    migrate: Callable[[Connection, Progress | None], None]
    gives_back: bool = False
    """True where freed pages can be given back to the file system a few at a time."""


def create_file(path: Path, schema: Schema) -> None:
    """Make an empty database, complete before it has its name; does nothing where there is one already.

    Raises UnavailableError where the file system or the library is unsafe, or the disk refuses.
    """
    check_library()
    check_file_system(path.parent)
    # Made under another name and then linked: no process ever opens a database without its tables, and link(2) fails
    # where another process was first.
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


def upgrade_file(
    path: Path,
    schema: Schema,
    before: Callable[[], None] | None = None,
    progress: Progress | None = None,
) -> None:
    """Bring an older version up to date and set the file to WAL. Safe when several processes do so at once.

    ``before`` is called first where the file is of an older version; what it raises keeps the file as it is, and so does
    whatever interrupts it: all of it is one transaction.
    """
    check_file(path, schema)
    with errors_named(path):
        connection = connect(path)
        try:
            if pragma(connection, "application_id") != schema.application_id:
                return
            if pragma(connection, "user_version") < schema.version:
                if before is not None:
                    before()
                _bring_up_to_date(connection, schema, progress)
            else:
                enter_wal(connection)  # a copy is not in it
        finally:
            connection.close()


def check_file(path: Path, schema: Schema) -> None:
    """Raise NotFoundError (no file) or UnavailableError (unsafe file system or library, or others may write to it)."""
    check_library()
    if not path.exists():
        raise NotFoundError(f"{path} does not exist: this is not a workspace; make one with pilothouse init")
    check_file_system(path)
    if path.stat().st_mode & 0o022:
        raise UnavailableError(
            f"{path} can be written by others than its owner, who could forge any row: run chmod 600 {path}"
        )


def check_schema(connection: Connection, path: Path, schema: Schema) -> None:
    """Raise IntegrityError (another kind of file) or UnavailableError (a version of another release)."""
    if pragma(connection, "application_id") != schema.application_id:
        raise IntegrityError(f"{path} is not a {schema.kind} of Pilothouse: name the workspace's own folder")
    version = pragma(connection, "user_version")
    if version != schema.version:
        remedy = (
            "install a newer Pilothouse"
            if version > schema.version
            else "open its workspace once to upgrade it"
        )
        raise UnavailableError(
            f"{path} has schema {version}, this Pilothouse knows schema {schema.version}: {remedy}"
        )


def version_of(path: Path, schema: Schema) -> int:
    """Version of the schema of a file, which is read and left as it is, whichever that is.

    Raises IntegrityError (another kind of file), UnavailableError or NotFoundError.
    """
    check_file(path, schema)
    with errors_named(path):
        connection = connect(path, read_only=True)
        try:
            if pragma(connection, "application_id") != schema.application_id:
                raise IntegrityError(
                    f"{path} is not a {schema.kind} of Pilothouse: name the workspace's own folder"
                )
            return pragma(connection, "user_version")
        finally:
            connection.close()


def pragma(connection: Connection, name: str) -> int:
    """Value of a setting that is a whole number."""
    return int(connection.execute(f"PRAGMA {name}").fetchone()[0])


def definitions_of(connection: Connection) -> set[tuple[str, str, str]]:
    """Kind, name and text of tables, indexes and triggers, which keep rows from being wrong, or changed."""
    rows = connection.execute(
        "SELECT type, name, coalesce(sql, '') FROM sqlite_schema"
    )  # SQLite's own have no text
    return {(kind, name, sql) for kind, name, sql in rows}


def expected_definitions(schema: Schema) -> set[tuple[str, str, str]]:
    """Definitions of a file that was made just now."""
    connection = driver.connect(":memory:", isolation_level=None)
    try:
        connection.execute("BEGIN")
        schema.migrate(connection, None)
        return definitions_of(connection)
    finally:
        connection.close()


def _bring_up_to_date(connection: Connection, schema: Schema, progress: Progress | None = None) -> None:
    enter_wal(connection)
    with unit_of_work(connection, "BEGIN IMMEDIATE", "COMMIT", "ROLLBACK"):
        if pragma(connection, "user_version") < schema.version:  # else another process was first
            schema.migrate(connection, progress)
            connection.execute(f"PRAGMA application_id = {schema.application_id}")
            connection.execute(f"PRAGMA user_version = {schema.version}")
