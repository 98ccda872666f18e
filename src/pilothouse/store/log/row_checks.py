"""Comparison of the rows that an operation rests on with their digests, before it counts them."""

from collections.abc import Sequence

from pilothouse.domain.errors import IntegrityError
from pilothouse.sqlite import Connection
from pilothouse.store.log import row_digests
from pilothouse.store.log.deciding_tables import DECIDING


def check_rows(
    connection: Connection,
    table: str,
    column: str | None = None,
    numbers: Sequence[int | str] = (),
    *,
    also_named: str | None = None,
) -> None:
    """Raise IntegrityError that names a row which was changed, inserted or deleted past Pilothouse: of the rows whose
    ``column`` is one of ``numbers`` (or names), or of all. To be asked before the transaction touches them.

    Rows that are gone are found among all, by a key that begins with the number, or by a name that begins with ``also_named``.
    """
    declared = DECIDING[table]
    if column is None:
        rows = list(row_digests.present(connection, table))
    else:
        keys = ", ".join(f"x.{name}" for name in declared.key)
        marks = ", ".join("?" * len(numbers))
        source = f"main.{table} x WHERE x.{column} IN ({marks}) AND ({declared.only or 1}) ORDER BY {keys}"
        rows = list(row_digests.digests(connection, table, keys, source, tuple(numbers)))
    for row in rows:
        digest, name = row_digests.newest_of(connection, row) or (None, row.name)
        if digest is None:
            _refuse(row.name, "inserted")
        if digest != row.digest:
            _refuse(name, "changed")
    known: dict[str, row_digests.RowDigest] = {}
    if column is None or also_named is not None:
        known |= row_digests.newest(connection, table, named=also_named or "")
    if column == declared.key[0] and len(declared.key) > 1:
        for number in numbers:
            known |= row_digests.newest(connection, table, begins=f"[{number},")
    for row in rows:
        known.pop(row.key, None)
    for gone in known.values():
        if gone.digest is not None:
            _refuse(gone.name, "deleted")


def _refuse(name: str, tampering: str) -> None:
    raise IntegrityError(
        f"{name} was {tampering} past Pilothouse, so nothing is changed that rests on it: pilothouse audit verify names "
        "every such row"
    )
