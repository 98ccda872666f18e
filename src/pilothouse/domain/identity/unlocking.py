"""What a person's key signs to unlock a console: one line of JSON by RFC 8785, good for one lock of one session."""

from dataclasses import dataclass
from datetime import datetime

from pilothouse.domain.formats.canonical import rfc8785_json

NAMESPACE = "unlock@pilothouse"
"""Namespace of these signatures alone: a signature over a decision unlocks nothing, and one from here decides nothing."""
FORM = "pilothouse/unlock/1"


@dataclass(frozen=True, slots=True)
class Challenge:
    """Question to a key: ``nonce`` was drawn for it, and is used once."""

    name: str
    session: int | None
    nonce: str
    time: datetime
    log: str
    """Hash of the audit log's newest row: no other workspace asks the same."""

    def to_bytes(self) -> bytes:
        """The bytes that are signed."""
        return rfc8785_json(
            {
                "form": FORM,
                "name": self.name,
                "session": self.session or 0,
                "nonce": self.nonce,
                "time": f"{self.time:%Y-%m-%dT%H:%M:%SZ}",
                "log": self.log,
            }
        )
