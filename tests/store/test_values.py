"""Records of rows: each field from the column of its name, by its type."""

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, Literal

import pytest

from pilothouse.domain.errors import IntegrityError
from pilothouse.sqlite import Row
from pilothouse.sqlite.connection import connect
from pilothouse.store.values import from_row


class Colour(StrEnum):
    RED = "red"


@dataclass(frozen=True)
class Kept:
    number: int
    name: str
    colour: Colour
    way: Literal["up", "down"]
    on: bool
    at: datetime
    ended: datetime | None
    left: Colour | None
    detail: dict[str, Any]
    names: tuple[str, ...]
    label: str


QUERY = (
    "SELECT 7 AS number, 'x' AS name, 'red' AS colour, 'up' AS way, 1 AS 'on', 1000000 AS at, NULL AS ended, "
    "NULL AS left, '{\"a\": 1}' AS detail, ? AS names"
)


def row_of(folder: Path, names: str) -> Row:
    path = folder / "x.db"
    path.touch()
    return connect(path, named_rows=True).execute(QUERY, (names,)).fetchone()


def test_each_field_is_the_column_of_its_name(tmp_path: Path) -> None:
    row = row_of(tmp_path, '["b", "a"]')

    kept = from_row(Kept, row, label="given")

    assert kept == Kept(
        7, "x", Colour.RED, "up", True, datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC), None, None, {"a": 1}, ("b", "a"),
        "given",
    )  # fmt: skip
    assert kept.on is True
    assert type(kept.colour) is Colour


def test_a_field_without_a_column_is_refused(tmp_path: Path) -> None:
    row = row_of(tmp_path, "[]")

    with pytest.raises(IndexError, match="No item"):
        from_row(Kept, row)


def test_a_column_that_is_damaged_is_said(tmp_path: Path) -> None:
    row = row_of(tmp_path, "[")

    with pytest.raises(IntegrityError, match="the registry is damaged"):
        from_row(Kept, row, label="")


def test_a_type_that_no_column_holds_has_to_be_given(tmp_path: Path) -> None:
    @dataclass(frozen=True)
    class Nested:
        number: int
        kept: Kept

    row = row_of(tmp_path, "[]")

    with pytest.raises(TypeError, match="give the field"):
        from_row(Nested, row)
