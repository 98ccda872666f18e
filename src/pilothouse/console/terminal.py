"""The terminal that the console draws on."""

from textual.drivers.linux_driver import LinuxDriver


class TerminalDriver(LinuxDriver):
    """A driver that writes nothing after it has given the terminal back.

    Where the program fails while it starts, Textual paints its screens once more afterwards: on the lines of the shell.
    """

    _given_back = False

    def start_application_mode(self) -> None:
        self._given_back = False
        super().start_application_mode()  # type: ignore[no-untyped-call]

    def stop_application_mode(self) -> None:
        super().stop_application_mode()
        self._given_back = True

    def write(self, data: str) -> None:
        if not self._given_back:
            super().write(data)
