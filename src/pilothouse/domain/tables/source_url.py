"""What ``data.source`` names: files, a SQLite or DuckDB file, or by URL a database, objects, a Delta or Iceberg table.

A URL carries no secret: its credentials are named by ``data.connection.credentials`` and read where the daemon runs.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlsplit

if TYPE_CHECKING:
    from pilothouse.domain.models.model_spec import ConnectionSpec, DataSpec


class SourceKind(StrEnum):
    """Kind of a source, by which it is read."""

    FILES = "files"
    """A file or a folder of files on this machine."""
    SQLITE = "SQLite"
    DUCKDB = "DuckDB"
    """One SELECT on a DuckDB file, or on the files of a folder, on this machine."""
    DATABASE = "database"
    """One SELECT on a server, by a URL of SQLAlchemy."""
    STORE = "store"
    """Files of an object store or a web server, by a URL of fsspec."""
    DELTA = "Delta Lake"
    ICEBERG = "Iceberg"


_STORES = ("s3", "gs", "gcs", "az", "abfs", "abfss", "http", "https")
_PREFIXES = {
    "sqlite": SourceKind.SQLITE,
    "duckdb": SourceKind.DUCKDB,
    "delta": SourceKind.DELTA,
    "iceberg": SourceKind.ICEBERG,
}
_SCHEME = re.compile(r"([a-z][a-z0-9]*)(?:\+([a-z0-9_]+))?:")
_SECRET_KEYS = re.compile(r"pass|pwd|secret|token|key|sig|credential", re.IGNORECASE)
REFERENCE = re.compile(r"env:[A-Za-z_][A-Za-z0-9_]{0,127}|file:[^\0]{1,4000}")
"""``env:NAME`` or ``file:PATH``, where credentials are."""
_QUERIED = (SourceKind.SQLITE, SourceKind.DUCKDB, SourceKind.DATABASE)
_VERSIONED = (SourceKind.STORE, SourceKind.DELTA, SourceKind.ICEBERG)


@dataclass(frozen=True, slots=True)
class SourceUrl:
    """A source taken apart. ``location`` is what its reader opens: a path of this machine, or a URL. ``is_remote``: it takes a
    network."""

    kind: SourceKind
    location: str
    is_remote: bool

    @property
    def is_fetched(self) -> bool:
        """True where a step of its own reads it first, and the training goes on from the file that this step has written."""
        return self.kind not in (SourceKind.FILES, SourceKind.SQLITE)


def source_url(source: str) -> SourceUrl:
    """Take a source apart. What has no scheme known here and no ``://`` is a path."""
    match = _SCHEME.match(source)
    if match is None:
        return SourceUrl(SourceKind.FILES, source, False)
    scheme, within = match[1], match[2]
    rest = source[match.end() :]
    is_url = rest.startswith("//")
    if scheme in _PREFIXES and within is None:
        return SourceUrl(_PREFIXES[scheme], rest, False)
    if scheme in ("delta", "iceberg") and within in _STORES and is_url:
        return SourceUrl(_PREFIXES[scheme], f"{within}:{rest}", True)
    if not is_url:
        return SourceUrl(SourceKind.FILES, source, False)
    kind = SourceKind.STORE if scheme in _STORES and within is None else SourceKind.DATABASE
    return SourceUrl(kind, source, True)


def source_faults(data: "DataSpec") -> Iterator[str]:
    """Faults of ``data.source``, ``data.query`` and ``data.connection`` that can be seen without opening anything."""
    if "\0" in data.source:
        yield f"data.source: found {data.source!r}; expected a path or a URL"
        return
    url = source_url(data.source)
    if url.is_remote:
        yield from _url_faults(url)
    if (url.kind in _QUERIED) != (data.query is not None):
        yield (
            'data.query: expected with a source in a database (a "sqlite:", "duckdb:" or SQLAlchemy URL), and with no other'
        )
    elif data.query is not None and url.is_fetched and (fault := select_fault(data.query)):
        yield f"data.query: {fault}"
    if data.connection is not None:
        yield from _connection_faults(data.connection, url)


def has_secret(location: str) -> bool:
    """True where a URL carries a password, a token or a signature in its text."""
    try:
        parts = urlsplit(location)
        return parts.password is not None or any(
            _SECRET_KEYS.search(name) for name, _ in parse_qsl(parts.query, keep_blank_values=True)
        )
    except ValueError:
        return "@" in location


def select_fault(query: str) -> str:
    """Why a text is not one SELECT alone; empty where it is.

    A semicolon is allowed at the end alone, even in a text or a comment: which texts and comments a server knows is not known
    here, and a second statement could end the transaction that may only read. INTO stands nowhere, for the same reason: with
    it a SELECT writes a file or a table, which MySQL lets a transaction do that only reads.
    """
    words = _LEADING.sub("", query)
    if not re.match(r"(select|with|values|table|from)\b|\(", words, re.IGNORECASE):
        return "expected one SELECT"
    if ";" in query.rstrip().removesuffix(";"):
        return (
            "holds a semicolon before its end; expected one SELECT alone (a semicolon in a text is CHR(59))"
        )
    if _INTO.search(query):
        return "holds the word INTO, by which a SELECT writes; expected one that only reads (in a text: CONCAT('in', 'to'))"
    if "/*!" in query or "/*M!" in query.upper():
        return "holds a comment that MySQL carries out (/*! …); expected none"
    return ""


_INTO = re.compile(r"\binto\b", re.IGNORECASE)
_LEADING = re.compile(r"^(?:\s+|--[^\n]*\n|/\*.*?\*/)+", re.DOTALL)


def _url_faults(url: SourceUrl) -> Iterator[str]:
    # the URL is not repeated: what is at fault in it may be a password
    try:
        parts = urlsplit(url.location)
        _ = parts.port
    except ValueError:
        yield "data.source: is no URL; expected e.g. postgresql+psycopg://db.example/flights"
        return
    if has_secret(url.location):
        yield (
            "data.source: carries a password, key or token; expected none of them in a model file: "
            "name where it is by data.connection.credentials (env:NAME or file:PATH)"
        )
    elif url.kind is SourceKind.DATABASE and (parts.query or parts.fragment):
        yield (
            "data.source: carries settings after '?' or '#'; expected them in the URL that data.connection.credentials names"
        )
    elif url.kind is not SourceKind.DATABASE and parts.username is not None:
        yield "data.source: names a user; expected bucket or host alone, and data.connection.credentials"
    if not parts.netloc and url.kind is not SourceKind.DATABASE:
        yield f"data.source: names no bucket or host; expected e.g. {parts.scheme}://name/path"
    if url.kind is SourceKind.ICEBERG and parts.scheme == "az":
        yield "data.source: Iceberg's library knows no az://; expected iceberg+abfss://CONTAINER/path"
    if url.kind is SourceKind.ICEBERG and parts.scheme in ("http", "https") and "." not in parts.fragment:
        yield "data.source: names no table of the catalogue; expected iceberg+https://host/path#namespace.table"


def _connection_faults(connection: "ConnectionSpec", url: SourceUrl) -> Iterator[str]:
    if connection.credentials is not None:
        if not REFERENCE.fullmatch(connection.credentials):
            # not repeated: somebody may have written the secret itself
            yield "data.connection.credentials: expected env:NAME or file:PATH, the place of the secret and not the secret"
        if not url.is_remote:
            yield f"data.connection.credentials: expected with a source on a network; {url.kind} here needs none"
    if connection.version is not None and url.kind not in _VERSIONED:
        yield (
            f"data.connection.version: a source of the kind {url.kind} has no versions to choose from; "
            "expected with a Delta Lake or Iceberg table, or one object of a store"
        )
    if connection.timeout < 1:
        yield f"data.connection.timeout: found {connection.timeout} s; expected a second or more"
