"""The terminal that the console draws on."""

from textual.drivers.linux_driver import LinuxDriver


class TerminalDriver(LinuxDriver):
    """Writes nothing once the terminal was given back.

    Where the program ends by an error while it begins, Textual paints its screens once more after that: on the shell's lines.
    """

    _given_back = False

    def start_application_mode(self) -> None:
        """Take the terminal over."""
        self._given_back = False
        super().start_application_mode()  # type: ignore[no-untyped-call]

    def stop_application_mode(self) -> None:
        """Give it back."""
        super().stop_application_mode()
        self._given_back = True

    def write(self, data: str) -> None:
        """Write, while the terminal is ours."""
        if not self._given_back:
            super().write(data)
