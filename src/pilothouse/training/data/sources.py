"""Rows of the source that a model file names: a file, a folder of them, or one SELECT on a SQLite file."""

from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from pilothouse.domain.errors import InvalidInputError
from pilothouse.domain.models.model_spec import ModelSpec
from pilothouse.domain.monitoring.categories import category_text
from pilothouse.domain.tables.source_url import source_url
from pilothouse.domain.tables.table_form import TableForm, training_form
from pilothouse.tables.cells import CellError, converted
from pilothouse.tables.reader import folder_digest, read_folder
from pilothouse.training.data.sqlite_source import read_query


def read_source(path: Path, spec: ModelSpec) -> tuple[pa.Table, str]:
    """All rows of the source at ``path`` in its own order, each column as the kind that the model file says, without those that
    are excluded or private; and the dialects that were found out. Raises InvalidInputError, NotFoundError."""
    _refuse_state(path)
    form = training_form(spec)
    if spec.data.query is None or source_url(spec.data.source).is_fetched:
        table, dialect = read_folder(path, form)
        return _with_whole_classes(table, spec), dialect
    table = read_query(path, spec.data.query)
    kept = [name for name in table.column_names if name not in form.skipped]
    columns = {name: _of_kind(name, table.column(name).combine_chunks(), form) for name in kept}
    return _with_whole_classes(pa.table(columns), spec), ""


def _with_whole_classes(table: pa.Table, spec: ModelSpec) -> pa.Table:
    """Table whose classes are ``int64`` where each is the usual spelling of a whole number: code of a model's own counts on
    y being 0 and 1, whatever file it comes from. Any other class stays text."""
    name = spec.data.target
    if spec.task == "regression" or name not in table.column_names:
        return table
    classes = table.column(name)
    if classes.null_count == len(classes) or not pc.all(pc.match_substring_regex(classes, _WHOLE)).as_py():
        return table
    return table.set_column(table.column_names.index(name), name, classes.cast(pa.int64()))


_WHOLE = r"^(0|-?[1-9]\d{0,17})$"


def source_digest(path: Path) -> str:
    """sha256 of the file's bytes, in hex; of a folder, of its files' places and digests."""
    _refuse_state(path)
    return folder_digest(path)


def _of_kind(name: str, column: pa.Array, form: TableForm) -> pa.Array:
    try:
        return converted(column, form.kinds.get(name), form)
    except CellError as fault:
        place = "" if fault.row is None else f" row {fault.row + 1},"
        raise InvalidInputError(
            f"data.query:{place} column {name!r}: found {fault.found}; expected {fault.expected}"
        ) from None


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
        return tuple(sorted(texts, key=lambda text: (float(text), text)))
    except ValueError:
        return tuple(sorted(texts))
