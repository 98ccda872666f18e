"""A source by URL as a file of this machine, for commands that take a file."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from pilothouse.domain.errors import InvalidInputError, NotFoundError
from pilothouse.domain.tables.source_url import REFERENCE, SourceKind, source_url
from pilothouse.domain.tables.table_form import TableForm
from pilothouse.operations.models.source_reach import Reached, Reaching, is_by_url

__all__ = ["Reached", "as_file", "is_by_url", "takes_query"]


def takes_query(named: str) -> bool:
    """True for a database or DuckDB."""
    return source_url(named).kind in (SourceKind.DATABASE, SourceKind.DUCKDB)


@contextmanager
def as_file(named: str, reached: Reached) -> Iterator[Path]:
    """Path of what is named: the file itself, or its rows by URL in a parquet file that is gone afterwards, read by a process
    of its own. Values stay as they are; who reads the file knows what they mean. Raises InvalidInputError, NotFoundError,
    UnavailableError."""
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
    path = None if url.is_remote else Path(url.location).resolve()
    if path is not None and not path.exists():
        raise NotFoundError(f"{path} does not exist")
    with closing(
        Reaching(named, path, TableForm(missing=(), timezone="UTC"), reached, act="rows")
    ) as reaching:
        yield Path(reaching.answer()["rows"])
