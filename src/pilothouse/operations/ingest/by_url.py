"""A source by URL as a file of this machine, for commands that take a file."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from pilothouse.domain.errors import InvalidInputError
from pilothouse.domain.tables.source_url import REFERENCE, SourceKind, source_url
from pilothouse.domain.tables.table_form import TableForm


@dataclass(frozen=True, slots=True)
class Reached:
    """How a source by URL is reached: as ``data.query`` and ``data.connection`` of a model file."""

    query: str | None = None
    credentials: str | None = None
    version: str | None = None
    timeout_s: int = 600


def is_by_url(named: str) -> bool:
    """True for what is no file of this machine."""
    return source_url(named).is_fetched


def takes_query(named: str) -> bool:
    """True for a database or DuckDB."""
    return source_url(named).kind in (SourceKind.DATABASE, SourceKind.DUCKDB)


@contextmanager
def as_file(named: str, reached: Reached, form: TableForm | None = None) -> Iterator[Path]:
    """Path of what is named: the file itself, or its rows by URL in a parquet file that is gone afterwards. Values stay as they
    are; who reads the file knows what they mean. Raises InvalidInputError, NotFoundError, UnavailableError."""
    url = source_url(named)
    if not url.is_fetched:
        yield Path(named)
        return
    if takes_query(named) != (reached.query is not None):
        raise InvalidInputError("--query: expected with a database or DuckDB, and with nothing else")
    if reached.credentials is not None and not REFERENCE.fullmatch(reached.credentials):
        raise InvalidInputError(
            "--credentials: expected env:NAME or file:PATH, the place of the secret and not the secret"
        )
    import pyarrow.parquet as pq

    from pilothouse.system.credentials import read_credentials
    from pilothouse.tables.urls.fetching import Wanted, fetch

    secret = read_credentials(reached.credentials).decode() if reached.credentials else ""
    if not url.is_remote:
        url = replace(url, location=str(Path(url.location).resolve()))
    with tempfile.TemporaryDirectory(prefix="pilothouse-", dir=os.environ.get("TMPDIR")) as folder:
        fetched = fetch(
            Wanted(
                url=url,
                form=form or TableForm(missing=(), timezone="UTC"),
                query=reached.query,
                version=reached.version,
                timeout_s=reached.timeout_s,
                secret=secret,
            ),
            Path(folder) / "objects",
        )
        path = Path(folder) / "rows.parquet"
        pq.write_table(fetched.table, path)
        yield path
