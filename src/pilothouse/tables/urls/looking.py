"""What a source by URL is now, without its rows: its columns, and a mark that changes when there are new rows."""

import hashlib
import json
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pilothouse.domain.errors import InvalidInputError
from pilothouse.domain.tables.source_url import SourceKind, select_fault
from pilothouse.domain.tables.table_form import TableForm
from pilothouse.tables.reader import folder_columns
from pilothouse.tables.urls.fetching import Wanted, access
from pilothouse.tables.urls.secrets import Credentials

_HEAD = 1 << 20
"""Bytes of a text that are read for its first line."""


@dataclass(frozen=True, slots=True)
class Look:
    """``columns``: the type of each as Arrow names it, empty where none is known. ``mark``: changes with the rows; empty where
    it was not asked for."""

    columns: dict[str, str]
    mark: str = ""


def look(wanted: Wanted, folder: Path, *, timestamp: str = "") -> Look:
    """Columns of a source; with ``timestamp`` its mark instead. ``folder`` is empty, for files on the way.

    A mark costs a listing of the objects, a look at the newest version of a Delta Lake or Iceberg table, and of a database the
    query itself, once: what is counted are its rows, beside the newest ``timestamp``. Raises as ``fetch``.
    """
    with access(wanted.url, wanted.secret, wanted.allow, wanted.later) as (credentials, addresses):
        if wanted.url.kind in (SourceKind.DATABASE, SourceKind.DUCKDB) and (
            fault := select_fault(wanted.query or "")
        ):
            raise InvalidInputError(f"data.query: {fault}")
        if wanted.url.kind is SourceKind.DATABASE:
            facts = _database(wanted, credentials, addresses, timestamp)
        else:
            facts = _LOOKS[wanted.url.kind](wanted, credentials, folder, timestamp)
        if not timestamp:
            return Look(dict(facts))
        plain = json.dumps(facts, sort_keys=True, default=str)
        return Look({}, hashlib.sha256(plain.encode()).hexdigest())


def _database(wanted: Wanted, credentials: Credentials, addresses: list[str], timestamp: str) -> Any:
    from pilothouse.tables.urls.databases import first_rows, rows_and_newest

    if timestamp:
        return rows_and_newest(
            wanted.url.location, wanted.query or "", credentials.url, wanted.timeout_s, timestamp, addresses
        )
    table = first_rows(wanted.url.location, wanted.query or "", credentials.url, wanted.timeout_s, addresses)
    return {field.name: "" if str(field.type) == "null" else str(field.type) for field in table.schema}


def _duckdb(wanted: Wanted, _credentials: Credentials, _folder: Path, _timestamp: str) -> Any:
    from pilothouse.tables.urls.duck import duckdb_columns

    return duckdb_columns(Path(wanted.url.location), wanted.query or "", wanted.memory_mb)


def _store(wanted: Wanted, credentials: Credentials, folder: Path, timestamp: str) -> Any:
    from pilothouse.tables.urls.stores import listed, open_store

    store = open_store(
        wanted.url.location, credentials, wanted.timeout_s, versioned=wanted.version is not None
    )
    objects = listed(store, None if wanted.version is None else str(wanted.version))
    if timestamp:
        return [[one.below, one.size, one.facts] for one in objects]
    newest = objects[-1]
    place = folder / newest.below
    place.parent.mkdir(parents=True)
    with store.open(newest.name) as source:
        if place.suffix == ".parquet":
            return _folders(newest.below) | _footer(source, place.name, wanted.form)
        place = _head_of(source.read(_HEAD), place)
    _, columns = folder_columns(folder if len(objects) > 1 else place, wanted.form)
    return columns


def _folders(below: str) -> dict[str, str]:
    return {part.partition("=")[0]: "string" for part in Path(below).parts[:-1] if "=" in part}


def _footer(source: Any, name: str, form: TableForm) -> dict[str, str]:
    """Columns of a Parquet file, of which its end alone is read."""
    import pyarrow.parquet as pq

    try:
        schema = pq.read_schema(source)
    except (ValueError, OSError) as error:
        raise InvalidInputError(
            f"data.source: {name} is no Parquet file: {str(error).splitlines()[0]}"
        ) from None
    return {field.name: str(field.type) for field in schema if field.name not in form.skipped}


def _head_of(content: bytes, place: Path) -> Path:
    """The whole lines at the beginning of a text, as a file."""
    if place.suffix == ".gz":
        place = place.with_suffix("")
        content = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS).decompress(content, _HEAD)
    end = content.rfind(b"\n") + 1
    place.write_bytes(content[:end] if end and len(content) >= _HEAD else content)
    return place


def _delta(wanted: Wanted, credentials: Credentials, _: Path, timestamp: str) -> Any:
    from pilothouse.tables.urls.lakes import look_at_delta

    columns, facts = look_at_delta(wanted.url.location, wanted.version, credentials)
    return facts if timestamp else columns


def _iceberg(wanted: Wanted, credentials: Credentials, _: Path, timestamp: str) -> Any:
    from pilothouse.tables.urls.lakes import look_at_iceberg

    columns, facts = look_at_iceberg(wanted.url.location, wanted.version, credentials, wanted.allow)
    return facts if timestamp else columns


_LOOKS = {
    SourceKind.DUCKDB: _duckdb,
    SourceKind.STORE: _store,
    SourceKind.DELTA: _delta,
    SourceKind.ICEBERG: _iceberg,
}
