"""One source by URL as a table of few types: which reader it takes, by one rule of types, and what is on record of it.

Every fault of a driver becomes one line without secrets.
"""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from pilothouse.domain.errors import InvalidInputError, NotFoundError, PilothouseError, UnavailableError
from pilothouse.domain.formats.masking import masked
from pilothouse.domain.formats.safe_text import one_line
from pilothouse.domain.tables.source_url import SourceKind, SourceUrl, has_secret, select_fault
from pilothouse.domain.tables.table_form import ColumnKind, TableForm
from pilothouse.tables.cells import CellError, converted, is_nested
from pilothouse.tables.reader import read_folder
from pilothouse.tables.urls.reach import check_source, reaching
from pilothouse.tables.urls.secrets import Credentials, credentials_of

EXTRAS = {
    SourceKind.DUCKDB: "duckdb",
    SourceKind.DATABASE: "sql",
    SourceKind.DELTA: "delta",
    SourceKind.ICEBERG: "iceberg",
}
_STORE_EXTRAS = {"s3": "s3", "gs": "gcs", "gcs": "gcs", "az": "azure", "abfs": "azure", "abfss": "azure"}
_LONGEST_MESSAGE = 600
_LEAST_BYTES, _FOLD = 1 << 30, 4
"""Bytes of objects that are copied at most: so many times the memory, into which their rows must go in the end."""
_PASSING = (
    "OperationalError",
    "InterfaceError",
    "TimeoutError",
    "ClientConnectorError",
    "EndpointConnectionError",
)
"""Names of drivers' exceptions that may pass by themselves: a server that is away."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A source to be read. ``location`` is a path of this machine or a URL; ``form`` says what its columns are."""

    url: SourceUrl
    form: TableForm
    query: str | None = None
    version: int | str | None = None
    timeout_s: int = 600
    memory_mb: int = 4_096
    threads: int = 1
    allow: tuple[str, ...] | None = None
    """Hosts, addresses and networks that may be reached beside public ones; None: every one, as whoever names it here may."""
    later: tuple[str, ...] = ()
    """Those that a file would allow which is not in force: they are not reached, and it is said that they are not yet."""
    secret: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Fetched:
    """Rows of a source. ``facts`` are plain data: its kind, rows, and the version, snapshot or objects that were read."""

    table: pa.Table
    facts: dict[str, Any]
    dialect: str = ""


def fetch(wanted: Wanted, folder: Path) -> Fetched:
    """Read a source; ``folder`` is empty, for files on the way, and gone afterwards. Raises InvalidInputError, NotFoundError
    or UnavailableError, one line without secrets."""
    try:
        with access(wanted.url, wanted.secret, wanted.allow) as (credentials, addresses):
            return _read(wanted, credentials, folder, addresses)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def access(
    url: SourceUrl, secret: str, allow: tuple[str, ...] | None = None, later: tuple[str, ...] = ()
) -> Iterator[tuple[Credentials, list[str]]]:
    """Credentials from the text of a secret, and the addresses that the source may have, in a context that reaches no others
    and in which every fault of a driver becomes InvalidInputError, NotFoundError or UnavailableError, one line without
    secrets."""
    if has_secret(url.location):
        raise InvalidInputError(
            "data.source: carries a password, key or token; expected it where credentials are named"
        )
    secrets = [secret]
    try:
        is_database = url.kind is SourceKind.DATABASE
        credentials = credentials_of(secret, url.location, is_database=is_database)
        secrets += credentials.secrets()
        addresses = check_source(url, credentials, allow, later)
        with reaching(allow):
            yield credentials, addresses
    except PilothouseError as error:
        raise type(error)(one_line(masked(str(error), secrets), _LONGEST_MESSAGE)) from None
    except ImportError as error:
        raise InvalidInputError(_lacking(url, str(error.name or error))) from None
    except MemoryError:
        raise
    except Exception as error:  # noqa: BLE001 - each driver has exceptions of its own, with the URL in them
        raise _fault(url, error, secrets) from None


def _read(wanted: Wanted, credentials: Credentials, folder: Path, addresses: list[str]) -> Fetched:
    kind, location, form = wanted.url.kind, wanted.url.location, wanted.form
    dialect = ""
    if kind in (SourceKind.DATABASE, SourceKind.DUCKDB) and (fault := select_fault(wanted.query or "")):
        raise InvalidInputError(f"data.query: {fault}")
    if kind is SourceKind.STORE:
        from pilothouse.tables.urls.stores import Limits, fetch_objects

        folder.mkdir(parents=True, exist_ok=True)
        version = None if wanted.version is None else str(wanted.version)
        most = max(_LEAST_BYTES, _FOLD * wanted.memory_mb << 20)
        path, facts = fetch_objects(location, version, credentials, folder, Limits(wanted.timeout_s, most))
        table, dialect = read_folder(path, form)
        return Fetched(table, {"kind": str(kind), "rows": table.num_rows, **facts}, dialect)
    if kind is SourceKind.DATABASE:
        from pilothouse.tables.urls.databases import read_database

        table, facts = read_database(
            location, wanted.query or "", credentials.url, wanted.timeout_s, addresses=addresses
        )
    elif kind is SourceKind.DUCKDB:
        from pilothouse.tables.urls.duck import read_duckdb

        table, facts = read_duckdb(Path(location), wanted.query or "", wanted.memory_mb, wanted.threads)
    elif kind is SourceKind.DELTA:
        from pilothouse.tables.urls.lakes import read_delta

        table, facts = read_delta(location, wanted.version, credentials, form.skipped)
    elif kind is SourceKind.ICEBERG:
        from pilothouse.tables.urls.lakes import read_iceberg

        table, facts = read_iceberg(location, wanted.version, credentials, form.skipped, wanted.allow)
    else:
        raise InvalidInputError(f"data.source: {kind} is read as a file; expected a URL")
    table = in_order(of_few_types(table, form), form)
    return Fetched(table, {"kind": str(kind), "rows": table.num_rows, **facts}, dialect)


def of_few_types(table: pa.Table, form: TableForm) -> pa.Table:
    """Columns that are to be read, each as the kind that it is known to be, else as one of a snapshot's types: the rule of
    files. Raises InvalidInputError."""
    columns = {}
    for name in table.column_names:
        if name in form.skipped or (form.only and name not in form.kinds):
            continue
        column = table.column(name)
        if is_nested(column.type):
            raise InvalidInputError(
                f"data.source: column {name[:80]!r} of type {column.type} cannot be read; expected numbers, texts or times: "
                "list it under data.exclude"
            )
        whole = column.combine_chunks()
        whole = whole.combine_chunks() if isinstance(whole, pa.ChunkedArray) else whole
        try:
            columns[name] = converted(whole, form.kinds.get(name), form)
        except CellError as fault:
            place = "" if fault.row is None else f"row {fault.row + 1}, "
            raise InvalidInputError(
                f"data.source: {place}column {name[:80]!r}: found {fault.found}; expected {fault.expected}"
            ) from None
    return pa.table(columns)


def in_order(table: pa.Table, form: TableForm) -> pa.Table:
    """The same rows in one order, by time and then by every column: a server gives them in any, and what is learned and its
    digest must not hang on that."""
    if not table.num_columns:
        return table
    times = [
        name for name, kind in form.kinds.items() if kind is ColumnKind.TIME and name in table.column_names
    ]
    names = [*times, *(name for name in sorted(table.column_names) if name not in times)]
    return table.take(pc.sort_indices(table, sort_keys=[(name, "ascending") for name in names]))


def _lacking(url: SourceUrl, module: str) -> str:
    extra = EXTRAS.get(url.kind) or _STORE_EXTRAS.get(url.location.partition(":")[0], "http")
    return (
        f"data.source: reading it takes {one_line(module, 60)}, which is not installed: "
        f"pip install 'pilothouse[{extra}]'"
        + (" and the driver of the database" if url.kind is SourceKind.DATABASE else "")
    )


def _fault(url: SourceUrl, error: Exception, secrets: list[str]) -> PilothouseError:
    name = type(error).__name__
    said = one_line(masked(f"{name}: {error}", secrets), _LONGEST_MESSAGE)
    message = f"data.source: {url.kind} could not be read: {said}"
    if isinstance(error, FileNotFoundError):
        return NotFoundError(message)
    if isinstance(error, OSError) or name in _PASSING:
        return UnavailableError(message)
    return InvalidInputError(message)
