"""Rows of one SELECT by DuckDB: on a DuckDB file, opened read-only, or on the files of a folder; no other file, no network, no
extension."""

import contextlib
from pathlib import Path
from typing import Any

import pyarrow as pa

from pilothouse.domain.errors import InvalidInputError, UnavailableError
from pilothouse.tables.reader import folder_digest


def read_duckdb(path: Path, query: str, memory_mb: int, threads: int = 1) -> tuple[pa.Table, dict[str, Any]]:
    """Rows of ``query``, and the digest of what it was asked of. Raises whatever DuckDB does.

    In a folder, files are named by their place below it: ``SELECT * FROM 'flights/*.parquet'``.
    """
    import duckdb

    settings: dict[str, Any] = {
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
        "allow_community_extensions": False,
        "memory_limit": f"{max(256, memory_mb // 2)}MB",
        "threads": max(1, threads),
    }
    path = path.resolve()
    log = path.with_name(path.name + ".wal")
    if path.is_file() and log.exists() and log.stat().st_size:
        raise InvalidInputError(
            f"data.source: {log.name} holds changes that are not in {path.name} yet; run CHECKPOINT there"
        )
    digest = folder_digest(path)
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
            table = relation.to_arrow_table()
        finally:
            connection.close()
    if folder_digest(path) != digest:
        raise UnavailableError(f"data.source: {path.name} was changed while it was read; train again")
    return table, {"sha256": digest}
