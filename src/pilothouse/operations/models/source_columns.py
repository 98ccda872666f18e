"""Columns of a model's source, without reading its rows: of its newest file, or of a query that is prepared and not run."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from pilothouse.domain.errors import InvalidInputError, NotFoundError, UnavailableError
from pilothouse.domain.models.model_spec import ModelSpec
from pilothouse.domain.tables.source_url import SourceKind, source_url
from pilothouse.domain.tables.table_form import training_form
from pilothouse.operations.models.source_reach import Places, look_at
from pilothouse.operations.models.source_values import SourceReport
from pilothouse.sqlite.foreign_sqlite import QueryError, query_columns


@dataclass(frozen=True, slots=True)
class SourceColumns:
    """Type of each column as parquet names it (``string``, ``double`` …), empty where the source has no types."""

    file: Path
    types: dict[str, str]


def source_path(spec: ModelSpec, folder: Path) -> Path | None:
    """Absolute path of the source that a model file in ``folder`` names, without its scheme; None where it is on no disk of
    this machine."""
    url = source_url(spec.data.source)
    return None if url.is_remote else (folder / url.location).resolve()


def local_sources(spec: ModelSpec, folder: Path) -> list[Path]:
    """The source where it is on this machine, as what code is not looked for in."""
    path = source_path(spec, folder)
    return [] if path is None else [path]


_LOGS = {SourceKind.SQLITE: "-wal", SourceKind.DUCKDB: ".wal"}
"""What the name of a database's file has at its end for the log of changes that are not in the file yet."""


def log_fault(spec: ModelSpec, path: Path) -> str:
    """Why the database at ``path`` cannot be read as it is: a log beside it holds changes. Empty where none does.

    It is looked for here: the step that reads the file is shown that file alone, and would read it without them.
    """
    end = _LOGS.get(source_url(spec.data.source).kind)
    if end is None or not path.is_file():
        return ""
    log = path.with_name(path.name + end)
    try:
        if not log.stat().st_size:
            return ""
    except FileNotFoundError:
        return ""
    return (
        f"data.source: {log.name} holds changes that are not in {path.name} yet; end what writes it, or run a checkpoint there "
        "(SQLite: PRAGMA wal_checkpoint(TRUNCATE); DuckDB: CHECKPOINT)"
    )


def source_problems(spec: ModelSpec, folder: Path, state: Path) -> Iterator[str]:
    """Faults of the source against the model file, one line each.

    ``state`` is the workspace's own folder, which cannot be a source. The query of a ``sqlite:`` source is prepared, not run.
    A source by URL is not opened: ``columns_by_url`` looks at it.
    """
    path = source_path(spec, folder)
    if path is None:
        return
    if path.is_relative_to(state.resolve()):
        yield f"data.source: {path} lies in the workspace's state folder; expected data of yours"
        return
    if source_url(spec.data.source).is_fetched:
        if not path.exists():
            yield f"data.source: {path} does not exist; expected what {spec.data.source} names"
        return
    try:
        columns = _columns(spec, path)
    except _UnreadableError as error:
        yield f"data.source: {error}"
        return
    except QueryError as error:
        yield f"data.query: {error}"
        return
    if not spec.data.query and not {spec.data.target, spec.data.timestamp, *spec.data.features} & {
        *columns.types
    }:
        yield (
            f"data.source: {columns.file.name} has none of the columns that are named; "
            f"expected a first line with the names, found {_shortened(', '.join(columns.types))}"
        )
        return
    yield from _missing(spec, columns)
    yield from _wrong_types(spec, columns)


def columns_by_url(spec: ModelSpec, path: Path | None, places: Places) -> SourceReport:
    """Faults of the columns of a source by URL, at which a process of its own looks; a note where they cannot be seen from here
    now: a training may well, where the daemon runs and by then. ``path``: of a source on this machine."""
    if path is not None and (fault := log_fault(spec, path)):  # by the time of a training it may be empty
        return SourceReport((), (f"{_NOT_SEEN}: {fault.removeprefix('data.source: ')}",))
    try:
        with closing(look_at(spec, path, places)) as reaching:
            types: dict[str, str] = reaching.answer()["columns"]
    except UnavailableError as error:
        return SourceReport((), (f"{_NOT_SEEN}: {str(error).removeprefix('data.source: ')}",))
    except NotFoundError as error:
        is_of_secret = str(error).startswith("data.connection.credentials:")
        return SourceReport((), (f"{_NOT_SEEN}: {error}",)) if is_of_secret else SourceReport((str(error),))
    except InvalidInputError as error:
        return SourceReport((str(error),))
    columns = SourceColumns(Path("the source"), types)
    return SourceReport((*_missing(spec, columns), *_wrong_types(spec, columns)))


_NOT_SEEN = "data.source: its columns were not looked at"


class _UnreadableError(Exception):
    """The source cannot be read; the message says what was expected."""


def _columns(spec: ModelSpec, path: Path) -> SourceColumns:
    if not path.exists():
        raise _UnreadableError(f"{path} does not exist; expected a file or a folder of dated files")
    if spec.data.query is not None:
        if not path.is_file():
            raise _UnreadableError(f"{path} is not a file; expected a SQLite database")
        return SourceColumns(path, dict.fromkeys(query_columns(path, spec.data.query), ""))
    from pilothouse.tables.reader import folder_columns

    try:
        return SourceColumns(*folder_columns(path, training_form(spec)))
    except (InvalidInputError, NotFoundError) as error:
        raise _UnreadableError(str(error).removeprefix("data.source: ")) from None


def _missing(spec: ModelSpec, source: SourceColumns) -> Iterator[str]:
    data = spec.data
    settings = [("data.target", data.target), ("data.timestamp", data.timestamp)]
    settings += [("data.features", name) for name in data.features]
    settings += [("data.slices", name) for name in data.slices if name not in data.features]
    settings += [
        (f"targets[{i}].match", name) for i, target in enumerate(spec.targets) for name in target.match
    ]
    for key, names in (("data.exclude", data.exclude), ("data.private", data.private)):
        settings += [(key, name) for name in names]
    existing = ", ".join(source.types)
    for key, name in settings:
        if name not in source.types:
            yield f"{key}: found {name!r}, which is no column of {source.file.name}; it has {_shortened(existing)}"


def _wrong_types(spec: ModelSpec, columns: SourceColumns) -> Iterator[str]:
    for name in spec.data.features:
        kind = columns.types.get(name, "")
        if kind.startswith(("timestamp", "date")):
            yield f"data.features: {name!r} is a time ({kind}); expected a number or a category"
        elif kind in ("string", "large_string", "string_view") and name not in spec.data.categoricals:
            yield f"data.features: {name!r} holds text; list it under data.categoricals too"
    kind = columns.types.get(spec.data.timestamp, "")
    if kind.startswith("timestamp[") and "tz=" not in kind and spec.data.timezone is None:
        yield (
            f"data.timezone: missing, and {spec.data.timestamp!r} carries no zone ({kind}); "
            'expected the zone that its times are in, e.g. "UTC"'
        )


def _shortened(text: str) -> str:
    return text if len(text) <= 200 else text[:197] + "..."
