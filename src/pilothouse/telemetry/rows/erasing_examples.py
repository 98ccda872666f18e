"""Examples of rejected rows and outcomes that hold a person's value, found and emptied. Functions take a connection.

Examples are there to be looked at; what is counted stays. So one that might hold the value goes.
"""

import contextlib
import struct
from collections.abc import Collection, Iterable

import zstandard

from pilothouse.sqlite import Connection
from pilothouse.statistics.encoding import expand

_LARGEST = 1 << 30
GONE = "(erased)"


def find(connection: Connection, values: Collection[str]) -> tuple[list[int], list[str]]:
    """Rejections whose example or rows hold one of the values, and reasons whose newest example does."""
    forms = [form for value in values for form in _forms(value)]
    examples = [
        number
        for number, example, data in connection.execute("SELECT id, example, data FROM rejected ORDER BY id")
        if _holds(forms, example.encode()) or (data is not None and _holds(forms, _plain(data)))
    ]
    totals = [
        reason
        for reason, example in connection.execute(
            "SELECT reason, example FROM rejected_totals ORDER BY reason"
        )
        if _holds(forms, example.encode())
    ]
    return examples, totals


def erase(connection: Connection, examples: Iterable[int], totals: Iterable[str]) -> int:
    """Empty these examples; returns how many were there."""
    count = 0
    for number in examples:
        count += connection.execute(
            "UPDATE rejected SET example=?, data=NULL WHERE id=?", (GONE, number)
        ).rowcount
    for reason in totals:
        count += connection.execute(
            "UPDATE rejected_totals SET example=? WHERE reason=?", (GONE, reason)
        ).rowcount
    return count


def _forms(value: str) -> list[bytes]:
    """A value as text, and as the number that a column holds."""
    forms = [value.encode()]
    with contextlib.suppress(ValueError):
        forms.append(struct.pack("<d", float(value)))
    return forms


def _plain(data: bytes) -> bytes:
    try:
        return expand(data, _LARGEST)
    except (zstandard.ZstdError, ValueError):
        return data


def _holds(forms: list[bytes], data: bytes) -> bool:
    return any(form in data for form in forms)
