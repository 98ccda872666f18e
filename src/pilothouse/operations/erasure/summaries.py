"""Summaries of data columns on record: entries in them that are a person's value, found and taken out.

The summary of a column names its most frequent values, and its smallest and largest number. Of a column with ids of people
these are ids.
"""

import hashlib
from collections.abc import Collection, Iterator, Sequence
from typing import Any

from pilothouse.domain.erasure import Cell
from pilothouse.domain.formats.canonical import canonical_json
from pilothouse.sqlite import Connection
from pilothouse.store import erasures
from pilothouse.store.values import from_json

_BOUNDS = ("minimum", "maximum")


def find(connection: Connection, model: str, where: Sequence[tuple[str, str]]) -> Iterator[Cell]:
    """Entries that are one of the values, of the column of its name."""
    for table in erasures.SUMMARIES:
        for key, text in erasures.summaries(connection, table, model):
            for column, value in where:
                entries = [
                    entry
                    for summary in _of_column(from_json(text), column)
                    for entry in _entries(summary, value)
                ]
                if entries:
                    yield Cell(table, key, column, tuple(entries), _digest(text))


def erase(connection: Connection, cells: Collection[Cell]) -> int:
    """Take the entries out, of records that are as they were; returns how many were there."""
    count = 0
    by_record: dict[tuple[str, int], list[Cell]] = {}
    for cell in cells:
        by_record.setdefault((cell.table, cell.key), []).append(cell)
    for (table, key), named in by_record.items():
        text = dict(erasures.summaries(connection, table)).get(key)
        if text is None or _digest(text) != named[0].before:
            continue  # done before, or not in a workspace that was restored to a time before
        plain = from_json(text)
        for cell in named:
            for summary in _of_column(plain, cell.column):
                _take_out(summary, cell.entries)
            count += len(cell.entries)
        erasures.put_summary(connection, table, key, canonical_json(plain))
    return count


def have_changed(connection: Connection, cells: Collection[Cell]) -> bool:
    """True where a record is not as it was when an entry of it was found."""
    texts = {table: dict(erasures.summaries(connection, table)) for table in {cell.table for cell in cells}}
    return any(_digest(texts[cell.table].get(cell.key, "")) != cell.before for cell in cells)


def _of_column(plain: Any, column: str) -> list[dict[str, Any]]:
    """Summaries of a column in a record: a list of them, or a record that holds such a list."""
    listed = plain.get("columns") if isinstance(plain, dict) else plain
    if not isinstance(listed, list):
        return []
    return [entry for entry in listed if isinstance(entry, dict) and entry.get("name") == column]


def _entries(summary: dict[str, Any], value: str) -> Iterator[str]:
    frequent = summary.get("frequent") or {}
    yield from (str(place) for place, text in enumerate(frequent) if text == value)
    try:
        number = float(value)
    except ValueError:
        return
    yield from (name for name in _BOUNDS if summary.get(name) == number)


def _take_out(summary: dict[str, Any], entries: Collection[str]) -> None:
    for name in _BOUNDS:
        if name in entries:
            summary[name] = None
    frequent = summary.get("frequent") or {}
    if frequent:
        summary["frequent"] = {
            text: count for place, (text, count) in enumerate(frequent.items()) if str(place) not in entries
        }


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
