"""A record that has a number (an alert, a request, an entry of the log), as a text."""

from collections.abc import Sequence
from typing import ClassVar, TypeVar

from textual.app import ComposeResult

from pilothouse.console.screens.base import View
from pilothouse.console.widgets.pager import Pager
from pilothouse.domain.errors import InvalidInputError
from pilothouse.presentation.documents import Line

T = TypeVar("T")


class PageView(View[T]):
    """``RECORD_NAME`` names the kind of record with its article; ``TOP`` is the list that it stands in."""

    RECORD_NAME: ClassVar[str]

    def __init__(self, number: str) -> None:
        super().__init__()
        self.number = number

    def body(self) -> ComposeResult:
        yield Pager(id="page")

    def record_number(self) -> int:
        """The number of the record. Raises InvalidInputError where the text typed is none."""
        if not self.number.isdecimal():
            raise InvalidInputError(
                f"{self.number!r} is not the number of {self.RECORD_NAME}: :{self.TOP} lists them"
            )
        return int(self.number)

    def put_page(self, lines: Sequence[Line]) -> None:
        self.query_one(Pager).put(lines)
        self.focus_body()
