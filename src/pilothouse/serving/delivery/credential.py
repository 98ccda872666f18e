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
        """The token. Raises UnavailableError."""
        if self.text:
            return self.text
        try:
            return self.file.read_text("ascii").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise UnavailableError(f"the token file {self.file} cannot be read: {error}") from None
