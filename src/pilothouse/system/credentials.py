"""Credentials of sources, read where ``data.connection.credentials`` says they are: a variable of the environment or a file."""

import os
import stat
from pathlib import Path

from pilothouse.domain.errors import InvalidInputError, NotFoundError

_LARGEST = 64 << 10
"""Bytes of a credential at most."""


def read_credentials(reference: str) -> bytes:
    """Content of ``env:NAME`` or ``file:PATH``, without blanks around it. The content is in no message. Raises NotFoundError,
    InvalidInputError."""
    kind, _, place = reference.partition(":")
    if kind == "env":
        text = os.environ.get(place)
        if not text:
            raise NotFoundError(
                f"data.connection.credentials: the environment of this process has no {place}; "
                "start the daemon with it (for a service, EnvironmentFile), or name a file"
            )
        return text.strip().encode()
    if kind != "file":
        raise InvalidInputError("data.connection.credentials: expected env:NAME or file:PATH")
    path = Path(place)
    if not path.is_absolute():
        raise InvalidInputError("data.connection.credentials: expected an absolute path after file:")
    try:
        with path.open("rb") as file:
            facts = os.fstat(file.fileno())
            if not stat.S_ISREG(facts.st_mode) or facts.st_size > _LARGEST:
                raise InvalidInputError(f"data.connection.credentials: {path} is no file of at most 64 KiB")
            if stat.S_IMODE(facts.st_mode) & 0o007:
                raise InvalidInputError(
                    f"data.connection.credentials: everybody may read {path}; expected chmod 600"
                )
            return file.read(_LARGEST).strip()
    except OSError as error:
        raise NotFoundError(f"data.connection.credentials: {path} cannot be read: {error.strerror}") from None
