"""Users of a workspace, and the keys that are bound to their names."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from pilothouse.domain.identity.ssh_keys import PublicKey


class KeyUse(StrEnum):
    """What a key on record is: somebody's own, or an authority whose certificates name them."""

    KEY = "key"
    AUTHORITY = "certificate authority"


@dataclass(frozen=True, slots=True)
class User:
    """Somebody who comes with a key of their own; no user any more from ``disabled_at`` on."""

    name: str
    subject: str
    created_at: datetime
    created_by: str
    disabled_at: datetime | None = None
    disabled_by: str = ""
    disabled_why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class UserKey:
    """A key that is bound to a user's name."""

    id: int
    user: str
    kind: KeyUse
    key_type: str
    public_key: str
    fingerprint: str
    hardware: bool
    comment: str
    added_at: datetime
    added_by: str
    valid_after: datetime | None = None
    valid_before: datetime | None = None
    revoked_at: datetime | None = None
    revoked_by: str = ""
    revoked_why: str = ""

    @property
    def key(self) -> PublicKey:
        """The public key itself."""
        return PublicKey(self.key_type, self.public_key, self.comment)

    def is_valid(self, at: datetime) -> bool:
        """True where the key was on record, not revoked and within its time. Its user is another matter."""
        begins = max(self.added_at, self.valid_after or self.added_at)
        ends = [time for time in (self.valid_before, self.revoked_at) if time is not None]
        return begins <= at and all(at < end for end in ends)
