"""Token of a target, as its serving process has it: in a file, or given at the start."""

from dataclasses import dataclass, field
from pathlib import Path

from pilothouse.domain.errors import UnavailableError

TOKEN_VARIABLE = "PILOTHOUSE_TARGET_TOKEN"  # noqa: S105 - the name of a variable
"""Variable of the environment in which a token may be given."""


@dataclass(frozen=True, slots=True)
class Credential:
    """Where the token is: ``text`` itself where it was given, else a file that is read again when the token is refused."""

    file: Path
    text: str = field(default="", repr=False)

    def read(self) -> str:
        """The token. Raises UnavailableError, also for a text that no header can hold."""
        text, where = self.text, f"the variable {TOKEN_VARIABLE}"
        if not text:
            where = f"the token file {self.file}"
            try:
                text = self.file.read_text("ascii").strip()
            except (OSError, UnicodeDecodeError) as error:
                raise UnavailableError(f"{where} cannot be read: {error}") from None
        if not (text.isascii() and text.isprintable()):
            raise UnavailableError(f"{where} holds no token: expected one line of letters, digits, - and _")
        return text
