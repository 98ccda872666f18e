"""Rows of one SELECT on a database server, by SQLAlchemy: in a transaction that only reads, as a stream, with a limit of time.

Nothing of a server can be asked for again: what a training keeps of the rows is what reproduces.
"""

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import islice
from typing import Any
from urllib.parse import urlsplit

import pyarrow as pa

from pilothouse.domain.errors import InvalidInputError
from pilothouse.tables.urls.values import table_of

_ROWS = 20_000
"""Rows that are asked for at once."""
_CONNECT_S = 15
_FIRST = 200
"""Rows by which columns are told."""


def read_database(
    location: str,
    query: str,
    url: str,
    timeout_s: int,
    addresses: Sequence[str] = (),
) -> tuple[pa.Table, dict[str, Any]]:
    """Rows of ``query``, and what is on record of them. ``url`` is the whole one, with the password, where there are
    credentials; ``addresses`` those of its host that may be reached, where they were looked up. Raises whatever the driver
    does: mask it."""
    with _connected(location, url, timeout_s, addresses) as (connection, backend):
        table = _rows(connection, backend, query, _ROWS)
    return table, {
        "server_told_to_read_only": backend in _TOLD,
        "reproduced_by": "the rows that the training keeps",
    }


def first_rows(
    location: str, query: str, url: str, timeout_s: int, addresses: Sequence[str] = ()
) -> pa.Table:
    """The first rows of ``query``, for its columns. A server that knows LIMIT is asked for no more."""
    with _connected(location, url, timeout_s, addresses) as (connection, backend):
        if backend in _TOLD:
            asked = f"SELECT * FROM ({_inner(query)}\n) AS q LIMIT {_FIRST}"  # noqa: S608 - the query is the model file's
            return _rows(connection, backend, asked, _FIRST)
        return _rows(connection, backend, query, _FIRST, most=_FIRST)


def rows_and_newest(
    location: str, query: str, url: str, timeout_s: int, timestamp: str, addresses: Sequence[str] = ()
) -> list[str]:
    """Number of the rows of ``query`` and the newest value of ``timestamp`` in them, as texts. The server runs all of
    it."""
    with _connected(location, url, timeout_s, addresses) as (connection, _):
        name = connection.dialect.identifier_preparer.quote_identifier(timestamp)
        asked = f"SELECT count(*), max(q.{name}) FROM ({_inner(query)}\n) q"  # noqa: S608
        row = connection.execution_options(no_parameters=True).exec_driver_sql(asked).one()
        return [str(value) for value in row]


def _inner(query: str) -> str:
    return query.rstrip().removesuffix(";")


@contextlib.contextmanager
def _connected(
    location: str, url: str, timeout_s: int, addresses: Sequence[str]
) -> Iterator[tuple[Any, str]]:
    """A connection in a transaction that only reads and is rolled back, and which kind of server it is to."""
    import sqlalchemy
    from sqlalchemy.pool import NullPool

    backend = urlsplit(location).scheme.partition("+")[0]
    if backend == "sqlite":
        raise InvalidInputError("data.source: a SQLite file is named by sqlite:PATH")
    if backend == "duckdb":
        raise InvalidInputError("data.source: a DuckDB file is named by duckdb:PATH")
    address = sqlalchemy.make_url(url or location)
    driver = urlsplit(location).scheme
    if "+" in driver:  # the model file chooses the driver
        address = address.set(drivername=driver)
    arguments = _connect_arguments(backend, timeout_s)
    if addresses and address.drivername in _LIBPQ and address.host:
        # its library looks a name up by itself, perhaps to another answer
        arguments |= {"host": ",".join([address.host] * len(addresses)), "hostaddr": ",".join(addresses)}
    if backend in _MYSQL and address.password is not None:
        # PyMySQL encodes a text as Latin-1; servers compare UTF-8
        arguments["password"] = address.password.encode()
    engine = sqlalchemy.create_engine(
        address, poolclass=NullPool, connect_args=arguments, hide_parameters=True
    )
    with engine.connect() as connection:
        told = _reading_only(backend)
        if told:
            connection = connection.execution_options(**told)
        for statement in _first_statements(backend, connection.dialect, timeout_s):
            connection.exec_driver_sql(statement)
        yield connection, backend
        connection.rollback()


def _rows(connection: Any, backend: str, query: str, at_once: int, most: int | None = None) -> pa.Table:
    result = connection.execution_options(
        stream_results=True, max_row_buffer=at_once, no_parameters=True
    ).exec_driver_sql(query)
    if not result.returns_rows:
        raise InvalidInputError("data.query: gives no rows; expected one SELECT")
    with contextlib.closing(result):
        own = _own_values(backend, result.cursor)
        batches = _batches(result, at_once, own)
        return table_of(list(result.keys()), batches if most is None else islice(batches, 1))


_LIBPQ = ("postgresql", "postgresql+psycopg", "postgresql+psycopg2")
_MYSQL = ("mysql", "mariadb")
_TOLD = ("postgresql", "cockroachdb", *_MYSQL, "oracle")
"""Servers that are told that the transaction only reads. On others the rights of the user are what holds."""


def _batches(
    result: Any, rows: int, own: Mapping[int, Callable[[Any], Any]]
) -> Iterator[Sequence[Sequence[Any]]]:
    for part in result.partitions(rows):
        if own:
            yield [tuple(own[i](value) if i in own else value for i, value in enumerate(row)) for row in part]
        else:
            yield [tuple(row) for row in part]


def _own_values(backend: str, cursor: Any) -> dict[int, Callable[[Any], Any]]:
    """What becomes of the values of a column that a driver of MySQL gives without saying what they are, by its place."""
    if backend not in _MYSQL:
        return {}
    return {i: _BY_CODE[column[1]] for i, column in enumerate(cursor.description) if column[1] in _BY_CODE}


def _instant(value: Any) -> Any:
    """A TIMESTAMP is an instant: it comes in the session's zone, which is UTC, and without it."""
    value = _without_zero(value)
    return value.replace(tzinfo=UTC) if isinstance(value, datetime) else value


def _without_zero(value: Any) -> Any:
    """The zero date, which no calendar has and drivers give as a text, is MySQL's word for missing."""
    return None if isinstance(value, str) and value.startswith("0000-00-00") else value


def _bits(value: Any) -> Any:
    return int.from_bytes(value, "big") if isinstance(value, bytes) else value


_BY_CODE: Mapping[int, Callable[[Any], Any]] = {7: _instant, 10: _without_zero, 12: _without_zero, 16: _bits}
"""By the code of a column's type in MySQL's protocol: TIMESTAMP, DATE, DATETIME, BIT."""


def _connect_arguments(backend: str, timeout_s: int) -> dict[str, Any]:
    if backend == "postgresql":
        return {"connect_timeout": _CONNECT_S}
    if backend in _MYSQL:
        return {"connect_timeout": _CONNECT_S, "read_timeout": timeout_s}
    return {}


def _reading_only(backend: str) -> dict[str, Any]:
    if backend == "postgresql":
        return {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
    return {}


def _first_statements(backend: str, dialect: Any, timeout_s: int) -> list[str]:
    """Statements before the query: limit of time, zone, and that nothing is written."""
    if backend == "postgresql":
        return [f"SET LOCAL statement_timeout = {timeout_s * 1_000}", "SET LOCAL TIME ZONE 'UTC'"]
    if backend in _MYSQL:
        is_maria = bool(getattr(dialect, "is_mariadb", False))
        limit = (
            f"max_statement_time = {timeout_s}" if is_maria else f"max_execution_time = {timeout_s * 1_000}"
        )
        return [f"SET SESSION {limit}", "SET SESSION time_zone = '+00:00'", "START TRANSACTION READ ONLY"]
    if backend in ("oracle", "cockroachdb"):
        return ["SET TRANSACTION READ ONLY"]
    return []
