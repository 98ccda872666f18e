"""The style sheet, parsed once."""

from textual.css import stylesheet


class Stylesheet(stylesheet.Stylesheet):
    """Textual's own, but what has been parsed stays parsed while the variables are the same.

    Textual parses everything anew for each first screen of a mode, which costs as much as drawing it.
    """

    def set_variables(self, variables: dict[str, str]) -> None:
        """Forget what was parsed only where it was parsed with others."""
        if variables != self._variables:
            super().set_variables(variables)

    def reparse(self) -> None:
        """Parse what has not been parsed yet. Raises as Textual's does, and then keeps the rules as they are."""
        self.parse()
