"""Secrets: read at each use from the file or variable that the settings name, and named by no error."""

import os
from pathlib import Path

_LONGEST = 8_192


class MissingSecretError(Exception):
    """There is none where the settings say; the text says where, and never what is there."""


def secret(file: str | None, variable: str | None, what: str) -> str | None:
    """The secret, without blanks at its ends; None where the settings name none. Raises MissingSecretError."""
    if file is not None:
        try:
            with Path(file).open("rb") as stream:
                value = stream.read(_LONGEST + 1).decode().strip()
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "it is not text"
            raise MissingSecretError(f"{what}: {file} cannot be read: {why}") from None
        where = file
    elif variable is not None:
        value, where = os.environ.get(variable, "").strip(), f"the variable {variable} of the daemon"
        if variable not in os.environ:
            raise MissingSecretError(f"{what}: {where} is not set: set it, and start the daemon again")
    else:
        return None
    if not value or len(value) > _LONGEST or "\n" in value or "\0" in value:
        raise MissingSecretError(f"{what}: {where} does not hold one line of {_LONGEST} characters at most")
    return value
