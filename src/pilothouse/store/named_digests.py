"""Every digest that any row of the registry names, wherever it stands: no list of columns decides what may be removed."""

import re
from collections.abc import Iterator

from pilothouse.sqlite import Connection

_DIGEST = re.compile(r"(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])")


def named_digests(connection: Connection) -> Iterator[str]:
    """Digests (64 hexadecimal digits) in the texts of all tables; one may come several times."""
    tables = connection.execute(
        "SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'table' AND name NOT LIKE 'sqlite_%'"
    ).fetchall()
    for (table,) in (tuple(row) for row in tables):
        # a STRICT table holds texts in TEXT columns alone; any other may hold them anywhere
        columns = [
            row[1]
            for row in connection.execute(f'PRAGMA main.table_info("{table}")')
            if row[2] not in ("INTEGER", "REAL", "BLOB")
        ]
        for column in columns:
            select = f'SELECT "{column}" FROM main."{table}" WHERE "{column}" IS NOT NULL'  # noqa: S608 - names of our own
            for (text,) in connection.execute(select):
                yield from _DIGEST.findall(str(text))
