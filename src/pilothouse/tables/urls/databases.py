"""Rows of one SELECT on a database server, by SQLAlchemy: in a transaction that only reads, as a stream, with a limit of time.

Nothing of a server can be asked for again: what a training keeps of the rows is what reproduces.
"""

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import urlsplit

import pyarrow as pa

from pilothouse.domain.errors import InvalidInputError
from pilothouse.tables.urls.values import table_of

_ROWS = 20_000
"""Rows that are asked for at once."""
_CONNECT_S = 15


def read_database(
    location: str,
    query: str,
    url: str,
    timeout_s: int,
    folder_rows: int = _ROWS,
    addresses: Sequence[str] = (),
) -> tuple[pa.Table, dict[str, Any]]:
    """Rows of ``query``, and what is on record of them. ``url`` is the whole one, with the password, where there are
    credentials; ``addresses`` those of its host that may be reached, where they were looked up. Raises whatever the driver
    does: mask it."""
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
    engine = sqlalchemy.create_engine(
        address, poolclass=NullPool, connect_args=arguments, hide_parameters=True
    )
    with engine.connect() as connection:
        told = _reading_only(backend)
        if told:
            connection = connection.execution_options(**told)
        for statement in _first_statements(backend, connection.dialect, timeout_s):
            connection.exec_driver_sql(statement)
        result = connection.execution_options(
            stream_results=True, max_row_buffer=folder_rows, no_parameters=True
        ).exec_driver_sql(query)
        if not result.returns_rows:
            raise InvalidInputError("data.query: gives no rows; expected one SELECT")
        with contextlib.closing(result):
            table = table_of(list(result.keys()), _batches(result, folder_rows))
        connection.rollback()
    return table, {
        "server_told_to_read_only": backend in _TOLD,
        "reproduced_by": "the rows that the training keeps",
    }


_LIBPQ = ("postgresql", "postgresql+psycopg", "postgresql+psycopg2")
_TOLD = ("postgresql", "cockroachdb", "mysql", "mariadb", "oracle")
"""Servers that are told that the transaction only reads. On others the rights of the user are what holds."""


def _batches(result: Any, rows: int) -> Iterator[Sequence[Sequence[Any]]]:
    for part in result.partitions(rows):
        yield [tuple(row) for row in part]


def _connect_arguments(backend: str, timeout_s: int) -> dict[str, Any]:
    if backend == "postgresql":
        return {"connect_timeout": _CONNECT_S}
    if backend in ("mysql", "mariadb"):
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
    if backend in ("mysql", "mariadb"):
        is_maria = bool(getattr(dialect, "is_mariadb", False))
        limit = (
            f"max_statement_time = {timeout_s}" if is_maria else f"max_execution_time = {timeout_s * 1_000}"
        )
        return [f"SET SESSION {limit}", "SET SESSION time_zone = '+00:00'", "START TRANSACTION READ ONLY"]
    if backend in ("oracle", "cockroachdb"):
        return ["SET TRANSACTION READ ONLY"]
    return []
