"""Where a value still stands in a workspace: every file is searched, unpacked as far as it can be, and every text on record.

What is found beside rows is not taken out: a model file, an input schema or a profile is one thing under one digest. It is
named, for whoever decides whether that version may stay.
"""

import gzip
import io
import re
import zipfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import zstandard

from pilothouse.domain.erasure import Plan
from pilothouse.domain.models.model_file import spec_from_plain
from pilothouse.operations.erasure.files_with_rows import TABLE, pattern_of
from pilothouse.operations.models.source_columns import source_path
from pilothouse.operations.services import Services
from pilothouse.sqlite import Connection
from pilothouse.statistics.encoding import expand
from pilothouse.store import erasures
from pilothouse.store.models import models
from pilothouse.telemetry.rows.columns import decode_features, decode_predictions

SHORTEST = 4
"""Characters of a value that is searched for: a shorter one stands everywhere by chance."""
_LARGEST = 1 << 30
_SKIPPED = ("registry.db", "telemetry.db")
_GOES: dict[str, Callable[[Plan], Sequence[object]]] = {
    "segments": lambda plan: plan.batches,
    "kept_rejections": lambda plan: plan.kept,
    "rejected": lambda plan: plan.examples,
    "rejected_totals": lambda plan: plan.totals,
    "waiting_outcomes": lambda plan: plan.waiting,
}
"""Tables of telemetry from which a plan takes everything that holds the value, with what it takes."""
_ZIP, _ZSTD, _GZIP = b"PK\x03\x04", b"\x28\xb5\x2f\xfd", b"\x1f\x8b"


def search(services: Services, values: Iterable[str], plan: Plan) -> list[str]:
    """Places in which a value stands and which a plan leaves as they are, each as a line."""
    searched = [value for value in values if len(value) >= SHORTEST]
    if not searched:
        return []
    pattern = pattern_of(searched)
    goes = {file.digest for file in plan.files} | {f"state/{file.path}" for file in plan.job_files}
    found = [
        f"the file {path}"
        for path in _files(services.paths.root, pattern)
        if path not in goes and path.rpartition("/")[2] not in goes
    ]
    with services.registry.read() as connection:
        named = erasures.artifact_names(connection)
        found = [_with_name(line, named) for line in found]
        found += [
            f"the registry's {table}.{column}, {count:,} row{'s' * (count != 1)}"
            for (table, column), count in _texts(connection, pattern)
            if count > len({cell.key for cell in plan.cells if cell.table == table})
        ]
    with services.reading_telemetry() as telemetry:
        if telemetry is not None:
            found += [
                f"telemetry's {table}.{column}, {count:,} row{'s' * (count != 1)}"
                for (table, column), count in [*_texts(telemetry, pattern), *_packed(telemetry, pattern)]
                if table not in _GOES or not _GOES[table](plan)
            ]
    return found


def in_sources(services: Services, values: Iterable[str], model: str) -> list[str]:
    """Sources of a model (of all where it is empty) in which a value stands, each as a line: the next training reads it."""
    searched = [value for value in values if len(value) >= SHORTEST]
    if not searched:
        return []
    pattern, found = pattern_of(searched), []
    with services.registry.read() as connection:
        stored = {name: models.spec_in_force(connection, name) for name in models.names(connection)}
    for name, applied in stored.items():
        if applied is None or model not in ("", name):
            continue
        source = source_path(spec_from_plain(applied.spec), services.paths.root / applied.folder)
        if source is None:
            found.append(
                f"{applied.spec['data']['source']}, the source of {name}, is not on this machine and was not searched"
            )
            continue
        files = [source] if source.is_file() else sorted(source.rglob("*"))
        if any(_holds(path, pattern) for path in files):
            found.append(f"{source}, the source of {name}")
    return found


def _holds(path: Path, pattern: "re.Pattern[bytes]") -> bool:
    try:
        return path.is_file() and any(pattern.search(form) for form in unpacked(path.read_bytes()))
    except OSError:
        return False


def _with_name(line: str, named: dict[str, str]) -> str:
    digest = line.rpartition("/")[2]
    return f"{line} ({named[digest]})" if digest in named else line


def _files(root: Path, pattern: "re.Pattern[bytes]") -> Iterator[str]:
    for path in sorted(root.rglob("*")):
        if path.is_symlink() or not path.is_file() or path.name.startswith(_SKIPPED):
            continue
        if _holds(path, pattern):
            yield path.relative_to(root).as_posix()


def unpacked(data: bytes) -> Iterator[bytes]:
    """Bytes as they are, and what is packed in them: members of a zip, gzip, zstd, the texts of a parquet file."""
    yield data
    try:
        if data.startswith(_ZIP):
            with zipfile.ZipFile(io.BytesIO(data)) as archive:
                yield from (archive.read(name) for name in archive.namelist())
        elif data.startswith(_GZIP):
            yield gzip.decompress(data)
        elif data.startswith(TABLE):
            yield _table_text(data)
        elif (place := data.find(_ZSTD, 0, 64)) >= 0:
            yield expand(data[place:], _LARGEST)
    except (zipfile.BadZipFile, zstandard.ZstdError, OSError, EOFError, ValueError, NotImplementedError):
        return


def _table_text(data: bytes) -> bytes:
    import pyarrow as pa
    import pyarrow.csv as pc
    import pyarrow.parquet as pq

    out = io.BytesIO()
    try:
        pc.write_csv(pq.read_table(io.BytesIO(data)), out)
    except pa.ArrowException:
        return b""
    return out.getvalue()


def _texts(connection: Connection, pattern: "re.Pattern[bytes]") -> list[tuple[tuple[str, str], int]]:
    """(table, column) and number of rows with a text that holds a value."""
    found: Counter[tuple[str, str]] = Counter()
    tables = connection.execute(
        "SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'table' AND name NOT LIKE 'sqlite_%'"
    ).fetchall()
    for (table,) in (tuple(row) for row in tables):
        columns = [
            row[1] for row in connection.execute(f'PRAGMA main.table_info("{table}")') if row[2] == "TEXT"
        ]
        for column in columns:
            rows = connection.execute(f'SELECT "{column}" FROM main."{table}" WHERE "{column}" IS NOT NULL')  # noqa: S608 - ours
            found[table, column] += sum(bool(pattern.search(str(row[0]).encode())) for row in rows)
    return [(place, count) for place, count in sorted(found.items()) if count]


def _packed(connection: Connection, pattern: "re.Pattern[bytes]") -> list[tuple[tuple[str, str], int]]:
    """Segments whose texts hold a value, and other packed columns of telemetry."""
    found: Counter[tuple[str, str]] = Counter()
    for head, body in connection.execute("SELECT predictions, features FROM segments"):
        predictions, features = decode_predictions(head), decode_features(body)
        texts = {str(text) for column in features.categorical.values() for text in column.vocabulary}
        found["segments", "features"] += bool(pattern.search("\n".join(texts).encode()))
        found["segments", "predictions"] += bool(
            pattern.search(
                "\n".join((*predictions.ids, *filter(None, predictions.traces.vocabulary))).encode()
            )
        )
    for table, column in (
        ("specifications", "data"), ("windows", "profile"), ("window_packs", "profiles"), ("kept_rejections", "data"),
        ("rejected", "data"), ("outcome_slices", "data"), ("calibrations", "data"),
    ):  # fmt: skip
        for (data,) in connection.execute(f"SELECT {column} FROM {table} WHERE {column} IS NOT NULL"):  # noqa: S608 - ours
            found[table, column] += any(bool(pattern.search(form)) for form in unpacked(bytes(data)))
    return [(place, count) for place, count in sorted(found.items()) if count]
