"""A workspace whose owner wrote hostile text past Pilothouse, into every column that takes text."""

import itertools
import json
from collections.abc import Iterable
from pathlib import Path

from pilothouse.sqlite import Connection, driver

_LEFT_ALONE = {
    ("models", "name"), ("targets", "name"), ("streams", "model"), ("streams", "target"),  # views are opened by them
    ("grants", "actor"),  # who looks
    ("jobs", "kind"), ("schedules", "action"), ("schedules", "timezone"), ("schedules", "cron"), ("version_metrics", "metric"),
    ("run_artifacts", "name"),  # what the program reads rows by; another word there is another row
}  # fmt: skip
_TABLES_LEFT_ALONE = {"settings", "processes", "_sqlite_migrations"}
_JSON = {
    "alerts": ("figures", "features"), "audit": ("detail",), "runs": ("code", "environment", "parameters"), "jobs": ("result",),
    "serving_reports": ("failed",),
}  # fmt: skip
_ROWS = 2
"""Of each table, the newest."""


def write_everywhere(database: Path, texts: Iterable[str]) -> int:
    """Put the texts, one after the other, into the newest rows; how many places took one. Whatever a constraint of the
    table refuses (a state, a digest) stays as it is; triggers are out of the way meanwhile."""
    connection = driver.connect(str(database))
    triggers = connection.execute("SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'").fetchall()
    for name, _ in triggers:
        connection.execute(f"DROP TRIGGER {name}")
    following = itertools.cycle(texts)
    taken = 0
    for table, columns in _text_columns(connection).items():
        for column in columns:
            taken += _put(connection, table, column, following)
    for table, columns in _JSON.items():
        if table in _text_columns(connection):
            for column in columns:
                _put_inside(connection, table, column, following)
    for _, sql in triggers:
        connection.execute(sql)
    connection.commit()
    connection.close()
    return taken


def _text_columns(connection: Connection) -> dict[str, list[str]]:
    rows = connection.execute(
        "SELECT t.name, c.name FROM pragma_table_list t JOIN pragma_table_info(t.name) c "
        "WHERE t.schema = 'main' AND t.type = 'table' AND t.name NOT LIKE 'sqlite%' AND NOT t.wr AND c.type = 'TEXT' "
        "ORDER BY 1, c.cid"
    )
    found: dict[str, list[str]] = {}
    for table, column in rows:
        if table not in _TABLES_LEFT_ALONE and (table, column) not in _LEFT_ALONE:
            found.setdefault(table, []).append(column)
    return found


def _put(connection: Connection, table: str, column: str, texts: "itertools.cycle[str]") -> int:
    taken = 0
    for (row,) in connection.execute(
        f"SELECT rowid FROM {table} WHERE {column} IS NOT NULL ORDER BY rowid DESC LIMIT ?", (_ROWS,)
    ).fetchall():
        try:
            connection.execute(f"UPDATE {table} SET {column} = ? WHERE rowid = ?", (next(texts), row))
        except driver.IntegrityError:
            continue
        taken += 1
    return taken


def _put_inside(connection: Connection, table: str, column: str, texts: "itertools.cycle[str]") -> None:
    for row, stored in connection.execute(
        f"SELECT rowid, {column} FROM {table} ORDER BY rowid DESC LIMIT ?", (_ROWS,)
    ).fetchall():
        value, text = json.loads(stored), next(texts)
        if isinstance(value, list):
            value = [text, *value]
        elif (table, column) == ("alerts", "figures"):
            value[text] = 1.0
        else:
            value = {key: text if isinstance(old, str) else old for key, old in value.items()} | {
                text[:99]: text
            }
        connection.execute(f"UPDATE {table} SET {column} = ? WHERE rowid = ?", (json.dumps(value), row))
