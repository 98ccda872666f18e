"""Rows of one SELECT by DuckDB: on a DuckDB file, opened read-only, or on the files of a folder; no other file, no network, no
extension."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa

from pilothouse.domain.errors import InvalidInputError, UnavailableError
from pilothouse.tables.reader import folder_digest


def read_duckdb(path: Path, query: str, memory_mb: int, threads: int = 1) -> tuple[pa.Table, dict[str, Any]]:
    """Rows of ``query``, and the digest of what it was asked of. Raises whatever DuckDB does.

    In a folder, files are named by their place below it: ``SELECT * FROM 'flights/*.parquet'``.
    """
    path = path.resolve()
    _check_log(path)
    digest = folder_digest(path)
    with _relation(path, query, memory_mb, threads) as relation:
        table = relation.to_arrow_table()
    if folder_digest(path) != digest:
        raise UnavailableError(f"data.source: {path.name} was changed while it was read; train again")
    return table, {"sha256": digest}


def duckdb_columns(path: Path, query: str, memory_mb: int) -> dict[str, str]:
    """Columns of ``query`` with their types as Arrow names them; the query is prepared and not run."""
    path = path.resolve()
    _check_log(path)
    with _relation(path, query, memory_mb) as relation:
        return {field.name: str(field.type) for field in relation.limit(0).to_arrow_table().schema}


def _check_log(path: Path) -> None:
    log = path.with_name(path.name + ".wal")
    if path.is_file() and log.exists() and log.stat().st_size:
        raise InvalidInputError(
            f"data.source: {log.name} holds changes that are not in {path.name} yet; run CHECKPOINT there"
        )


@contextlib.contextmanager
def _relation(path: Path, query: str, memory_mb: int, threads: int = 1) -> Iterator[Any]:
    """``query`` on the file or folder, which nothing has been read of yet."""
    import duckdb

    settings: dict[str, Any] = {
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
        "allow_community_extensions": False,
        "memory_limit": f"{max(256, memory_mb // 2)}MB",
        "threads": max(1, threads),
    }
    is_folder = path.is_dir()
    # a relative name is allowed where the working folder is, and not where file_search_path leads
    with contextlib.chdir(path if is_folder else path.parent):
        connection = duckdb.connect(
            ":memory:" if is_folder else str(path), read_only=not is_folder, config=settings
        )
        try:
            if is_folder:
                connection.execute("SET allowed_directories = [$folder]", {"folder": f"{path}/"})
            connection.execute("SET enable_external_access = false")
            connection.execute("SET TimeZone = 'UTC'")
            connection.execute("SET lock_configuration = true")
            relation = connection.sql(query)
            if relation is None:
                raise InvalidInputError("data.query: gives no rows; expected one SELECT")
            yield relation
        finally:
            connection.close()
