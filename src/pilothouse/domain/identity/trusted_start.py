"""Trusted start: what sshd said of somebody whom it let in with a key."""

from dataclasses import dataclass
from datetime import datetime

from pilothouse.domain.identity.identity import Identity
from pilothouse.domain.identity.roles import Actor


@dataclass(frozen=True, slots=True)
class TrustedStart:
    """A user, how sshd knew them, where they came from, and until when their key or certificate is valid (None: without
    end)."""

    name: str
    identity: Identity
    address: str
    valid_until: datetime | None = None

    @property
    def actor(self) -> Actor:
        """The user, without the roles that they hold."""
        return Actor(self.name, identity=self.identity, until=self.valid_until)
