"""What every console keeps to on a terminal: nothing is drawn raw, and an error that ends it prints nothing by itself."""

import os
import termios
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from textual.app import App
from textual.filter import LineFilter

from pilothouse.console.sanitise import Sanitiser
from pilothouse.console.session.typeahead import Fence, TypeAhead

if TYPE_CHECKING:
    from textual.driver import Driver

_STDIN, _STDOUT = 0, 1


class TerminalApp(App[int]):
    """An application on a terminal. One of its own sets ``_typed``, to which its keys go."""

    _typed: TypeAhead
    _sanitiser: Sanitiser | None = None

    @property
    def crash(self) -> Exception | None:
        """The error that ended the console; None where it ended otherwise."""
        return self._exception

    def get_driver_class(self) -> "type[Driver]":
        """Our driver, whatever the environment names."""
        from pilothouse.console.terminal import TerminalDriver  # what draws nowhere does not need it

        return TerminalDriver

    def get_line_filters(self) -> list[LineFilter]:
        """The sanitiser comes last: nothing after it can bring a control character back."""
        if self._sanitiser is None:
            self._sanitiser = Sanitiser()
        return [*super().get_line_filters(), self._sanitiser]

    async def on_fence(self, message: Fence) -> None:
        await self._typed.arrived(message.number)

    def panic(self, *renderables: object) -> None:
        """End without printing: ``launch`` raises the error once the terminal is as it was before."""
        self._close_messages_no_wait()

    def _fatal_error(self) -> None:
        """As ``panic``. Textual would print a traceback with the values of all variables on the terminal."""
        self._close_messages_no_wait()


@contextmanager
def without_echo() -> Iterator[None]:
    """Show nothing that is typed into the terminal, for a program that asks for a secret: what is typed before it asks would be
    shown too."""
    if not os.isatty(_STDIN):
        yield
        return
    before = termios.tcgetattr(_STDIN)
    termios.tcsetattr(_STDIN, termios.TCSANOW, [*before[:3], before[3] & ~termios.ECHO, *before[4:]])
    try:
        yield
    finally:
        termios.tcsetattr(_STDIN, termios.TCSANOW, before)


def wait_to_be_read() -> None:
    """Wait for Enter: what a command has said is gone once the console is drawn again."""
    if os.isatty(_STDIN):
        os.write(_STDOUT, b"Enter goes back ")
        while os.read(_STDIN, 1) not in (b"\n", b""):
            pass
