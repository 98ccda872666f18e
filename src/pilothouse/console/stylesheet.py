"""The style sheet, parsed once."""

from textual.css import stylesheet


class Stylesheet(stylesheet.Stylesheet):
    """Textual's style sheet, which keeps what it has parsed while the variables stay the same.

    Textual parses everything anew for each first screen of a mode, which costs as much as drawing it.
    """

    def set_variables(self, variables: dict[str, str]) -> None:
        if variables != self._variables:
            super().set_variables(variables)

    def reparse(self) -> None:
        """Parse what has not been parsed yet. Raises as Textual's does, and then keeps the rules as they are."""
        self.parse()
