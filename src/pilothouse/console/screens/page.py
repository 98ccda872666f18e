"""One thing that has a number (an alert, a request, an entry of the log), as a text to read."""

from collections.abc import Sequence
from typing import ClassVar, TypeVar

from textual.app import ComposeResult

from pilothouse.console.screens.base import View
from pilothouse.console.widgets.pager import Pager
from pilothouse.domain.errors import InvalidInputError
from pilothouse.presentation.documents import Line

T = TypeVar("T")


class PageView(View[T]):
    """``THING`` is what has the number, with its article; ``TOP`` the list that it stands in."""

    THING: ClassVar[str]

    def __init__(self, number: str) -> None:
        super().__init__()
        self.number = number

    def body(self) -> ComposeResult:
        """One text."""
        yield Pager(id="page")

    def asked(self) -> int:
        """The number. Raises InvalidInputError where what was typed is none."""
        if not self.number.isdecimal():
            raise InvalidInputError(
                f"{self.number!r} is not the number of {self.THING}: :{self.TOP} lists them"
            )
        return int(self.number)

    def put_page(self, lines: Sequence[Line]) -> None:
        """Show the text."""
        self.query_one(Pager).put(lines)
        self.focus_body()
