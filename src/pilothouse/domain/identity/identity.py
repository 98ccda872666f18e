"""Identity: how it is known who acts."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class IdentityKind(StrEnum):
    """Ways in which a name is established."""

    ACCOUNT = "account"
    SSH_KEY = "ssh-key"
    SSH_CERTIFICATE = "ssh-certificate"
    WRAPPER = "wrapper"
    DEMO = "demo"
    DAEMON = "daemon"


OVER_SSH = frozenset({IdentityKind.SSH_KEY, IdentityKind.SSH_CERTIFICATE})
"""Ways that rest on a key on record."""

_TEXTS = {
    IdentityKind.ACCOUNT: "the system's user {subject}",
    IdentityKind.SSH_KEY: "the SSH key {fingerprint}",
    IdentityKind.SSH_CERTIFICATE: "the SSH key {fingerprint}, certified by {authority}",
    IdentityKind.WRAPPER: "handed over by the trusted wrapper {subject}",
    IdentityKind.DEMO: "named with --as by {subject} in a demo workspace",
    IdentityKind.DAEMON: "the daemon",
}


@dataclass(frozen=True, slots=True)
class Identity:
    """How a name was established. ``subject``: the system's account, or who the user is elsewhere; ``fingerprint`` of their
    own key; ``authority``: fingerprint of the key that certified it."""

    kind: IdentityKind
    subject: str = ""
    fingerprint: str = ""
    authority: str = ""

    @classmethod
    def from_plain(cls, plain: Mapping[str, str]) -> "Identity":
        """Identity as it is stored."""
        parts = {name: str(plain.get(name, "")) for name in ("subject", "fingerprint", "authority")}
        return cls(IdentityKind(plain["kind"]), **parts)

    @property
    def plain(self) -> dict[str, str]:
        """What is stored: no empty parts."""
        parts = {"subject": self.subject, "fingerprint": self.fingerprint, "authority": self.authority}
        return {"kind": str(self.kind), **{name: text for name, text in parts.items() if text}}

    @property
    def is_over_ssh(self) -> bool:
        """True where it rests on a key on record."""
        return self.kind in OVER_SSH

    def __str__(self) -> str:
        return _TEXTS[self.kind].format(
            subject=self.subject, fingerprint=self.fingerprint, authority=self.authority
        )
