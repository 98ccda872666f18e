"""Rows of the source that a model file names, and the digest of its files.

Parquet, csv, csv.gz, a folder of them (read in the order of their names), or one SELECT on a SQLite file. Every column is
brought to one of a few types, so that a number is the same number whatever file it came from: ``int64``, ``double``,
``bool``, ``string`` and ``timestamp[us]`` with or without a zone. In csv a field that is empty, ``NA``, ``NaN``, ``nan``
or ``null`` is missing.
"""

import hashlib
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq

from pilothouse.domain.categories import category_text
from pilothouse.domain.errors import InvalidInputError, NotFoundError
from pilothouse.domain.model_spec import DataSpec
from pilothouse.domain.safe_text import one_line
from pilothouse.system.files import sha256_file
from pilothouse.training.sqlite_source import read_query

SUFFIXES = (".parquet", ".csv", ".csv.gz")


def read_source(path: Path, data: DataSpec) -> pa.Table:
    """All rows of the source at ``path`` in its own order, with the types above. Raises InvalidInputError."""
    _refuse_state(path)
    if data.query is not None:
        return normalise(read_query(path, data.query), path)
    tables = [(file, normalise(_read_file(file), file)) for file in source_files(path)]
    columns = tables[0][1].column_names
    for file, table in tables[1:]:
        if set(table.column_names) != set(columns):
            odd = sorted(set(table.column_names) ^ set(columns))[0]
            raise InvalidInputError(
                f"{file.name}: the column {odd!r} is not in all files of {path}; expected the same"
            )
    try:
        return pa.concat_tables([table.select(columns) for _, table in tables], promote_options="permissive")
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise InvalidInputError(
            f"{path}: its files do not agree on a column's type: {one_line(str(error))}"
        ) from None


def source_files(path: Path) -> list[Path]:
    """Files that the source consists of, sorted by name. Raises NotFoundError where there are none."""
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise NotFoundError(f"data.source: {path} does not exist; expected a file or a folder of dated files")
    files = sorted(file for file in path.iterdir() if file.is_file() and file.name.lower().endswith(SUFFIXES))
    if not files:
        raise NotFoundError(f"data.source: {path} holds no {', '.join(SUFFIXES)} file")
    return files


def source_digest(path: Path) -> str:
    """sha256 of the file's bytes, in hex; of a folder, of its files' names and digests."""
    _refuse_state(path)
    files = source_files(path)
    if files == [path]:
        return sha256_file(path)
    total = hashlib.sha256()
    for file in files:
        total.update(f"{sha256_file(file)}  {file.name}\n".encode())
    return total.hexdigest()


def normalise(table: pa.Table, file: Path) -> pa.Table:
    """Rows with the few types that the module names. Raises InvalidInputError for lists and structures."""
    columns = {}
    for name in table.column_names:
        if name in columns:
            raise InvalidInputError(f"{file}: two columns are called {name!r}; expected each name once")
        try:
            columns[name] = _normalised(table.column(name))
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError, pa.ArrowTypeError) as error:
            kind = table.column(name).type
            raise InvalidInputError(
                f"{file}: column {name!r} of type {kind} cannot be read: {one_line(str(error))}"
            ) from None
    return pa.table(columns)


def _normalised(column: pa.ChunkedArray) -> pa.ChunkedArray:
    kind = column.type
    if pa.types.is_dictionary(kind):
        column = column.cast(kind.value_type)
        kind = column.type
    if pa.types.is_integer(kind):
        return column.cast(pa.int64())
    if pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return column.cast(pa.float64(), safe=False)
    if pa.types.is_null(kind):
        return column.cast(pa.float64())
    if pa.types.is_boolean(kind):
        return column
    if pa.types.is_timestamp(kind):
        return column.cast(pa.timestamp("us", kind.tz and "UTC"), safe=False)
    if pa.types.is_date(kind):
        return column.cast(pa.timestamp("us"), safe=False)
    if pa.types.is_time(kind) or pa.types.is_duration(kind):
        return pc.cast(column, pa.int64())
    return column.cast(pa.string())


def _read_file(file: Path) -> pa.Table:
    try:
        if file.name.lower().endswith(".parquet"):
            return pq.read_table(file)
        if file.name.lower().endswith((".csv", ".csv.gz")):
            options = pyarrow.csv.ConvertOptions(
                strings_can_be_null=True, null_values=["", "NA", "NaN", "nan", "null"]
            )
            return pyarrow.csv.read_csv(file, convert_options=options)
    except (pa.ArrowInvalid, pa.ArrowException, OSError) as error:
        raise InvalidInputError(f"{file}: cannot be read: {one_line(str(error))}") from None
    raise InvalidInputError(f"data.source: {file.name!r} is none of {', '.join(SUFFIXES)}")


def _refuse_state(path: Path) -> None:
    """Refuse a workspace's own databases and artifacts as a source, however the path is written."""
    resolved = path.resolve()
    for folder in resolved.parents:
        if folder.name == "state" and (
            (folder / "registry.db").exists() or (folder.parent / "models").is_dir()
        ):
            raise InvalidInputError(
                f"data.source: {path} lies in the workspace's state folder; expected data of yours"
            )


def class_order(values: pa.ChunkedArray) -> tuple[str, ...]:
    """Distinct classes as text: in the order of numbers where all are numbers, else of the alphabet."""
    texts = {text for value in pc.unique(values).to_pylist() if (text := category_text(value)) is not None}
    try:
        return tuple(sorted(texts, key=float))
    except ValueError:
        return tuple(sorted(texts))
